# SPDX-License-Identifier: Apache-2.0
"""Read and write the two records of a paid request: of its task instance between tries, and the one that runs share."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from kling_provider.api.hosts import Lock, is_loopback
from kling_provider.execution.plan import RequestPlan
from kling_provider.submission import Submitted
from kling_provider.submission.memory import PaidMemory
from kling_provider.submission.messages import format_now
from kling_provider.submission.records import get_instance_record
from kling_provider.submission.sent import SentRequest
from kling_provider.submission.steps import SubmissionRecord

log = logging.getLogger(__name__)


class PaidRecords:
    """Reads and writes both records of a plan, and decides which of them counts.

    :param own: what an earlier try of this task instance left.
    :param host: where the connection leads.
    """

    def __init__(
        self, plan: RequestPlan, context: Mapping[str, Any], own: SubmissionRecord | None, *, host: str
    ) -> None:
        self._plan = plan
        self._own = own
        self._host = host
        self._max_tries = context["ti"].max_tries
        self._records = get_instance_record(context)
        # Others than this task instance may have paid.
        self._memory = PaidMemory.of_sent(context, plan.sent)
        self._shared: SubmissionRecord | None = None
        self._kept: str | None = None

    @property
    def is_shared(self) -> bool:
        """Return whether other task instances may have paid."""
        return self._memory is not None

    @property
    def files(self) -> tuple[str, ...]:
        """Return where an earlier run saved the result; known once :meth:`load` has looked."""
        return tuple((self._shared or {}).get("files") or ())

    def load(self) -> SubmissionRecord | None:
        """Read what is known of this request: by this task instance, else by the memory that all runs share."""
        own = self._drop_foreign_record(self._own)
        shared = self._shared = self._drop_foreign_record(
            self._memory.load() if self._memory is not None else None
        )
        if own is None or own.get("identity") != self._plan.identity.key:
            if not self.was_cleared_since(own) and own is not None and own.get("state") == "open":
                return own  # a call with an unknown end, of this very row of retries: without a lock it stops
            _log_left_behind(own)
            # Beside a memory by identity, a record of another request says nothing.
            return shared or (None if self._memory is not None else own)
        paid = shared is not None and shared.get("state") in ("open", "created")
        return shared if paid and own.get("state") not in ("open", "created") else own

    def was_cleared_since(self, record: SubmissionRecord | None) -> bool:
        """Return whether a person cleared the task after ``record`` was written: Airflow raises ``max_tries`` then."""
        return record is not None and record.get("max_tries", self._max_tries) != self._max_tries

    def store(self, record: SubmissionRecord, sent: SentRequest) -> None:
        """Keep ``record`` in both places.

        :param sent: what it is of.
        :raises Exception: where it cannot be kept and is all that protects against paying twice.
        """
        needed = self._plan.lock is not Lock.LOCKED
        if self._memory is not None:
            same = (self._shared or {}).get("kling_task_id") == record.get("kling_task_id")
            files = (self._shared or {}).get("files") if same else None
            self._memory.store({**record, "files": files} if files else record, needed=needed)
        self._store_own(record, sent, needed=needed)

    def keep(self, done: Submitted, record: SubmissionRecord | None, sent: SentRequest) -> None:
        """Note what this row of retries has to finish, also where another run or an earlier row of tries made it.

        :param record: what :meth:`load` gave.
        """
        if self._kept == done.task.kling_task_id and not sent.units_taken:
            return
        same = record is not None and record.get("kling_task_id") == done.task.kling_task_id
        before: SubmissionRecord = record if record is not None and same else {}
        self._store_own(
            {
                "at": format_now(),
                **before,
                "identity": self._plan.identity.key,
                "external_task_id": done.external_task_id,
                "attempt": done.attempt,
                "state": "created",
                "kling_task_id": done.task.kling_task_id,
                "prompt": (sent.prompt or "")[:200],
                "host": self._host,
            },
            sent,
            needed=False,
        )

    def _store_own(self, record: SubmissionRecord, sent: SentRequest, *, needed: bool) -> None:
        if record["state"] in ("open", "created"):
            record = {**record, "sent": sent.to_json(), "max_tries": self._max_tries}
        self._records.store(record, needed=needed)
        self._kept = record.get("kling_task_id")

    def _drop_foreign_record(self, record: SubmissionRecord | None) -> SubmissionRecord | None:
        """Return ``None`` for a record that does not count at this host, else ``record``.

        What a sandbox on this machine made was not paid at a host elsewhere.
        """
        there, here = (record or {}).get("host"), self._host
        if there is not None and there != here and self._plan.identity.own is not None:
            return None  # the user's own external id names a task of one account, and another host has another one
        if there is None or not is_loopback(there) or is_loopback(here):
            return record
        log.info("What the sandbox at %s made for %s does not count at %s.", there, self._plan.label, here)
        return None


def _log_left_behind(own: SubmissionRecord | None) -> None:
    if own is None or own.get("state") not in ("open", "created"):
        return
    task = (
        f"Kling task {own['kling_task_id']}"
        if own.get("kling_task_id")
        else "a paid call with an unknown end"
    )
    log.warning(
        "The request of this task has changed since %s, which was sent at %s for %s (external id %s). It is left behind: "
        "Kling goes on with it and bills it when it succeeds. To save it, give its id to KlingDownloadOperator, or put it into "
        "a request as adopt.",
        task,
        own.get("at", "an unknown time"),
        (own.get("prompt") or "another prompt")[:80],
        own.get("external_task_id") or "none",
    )

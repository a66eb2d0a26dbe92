# SPDX-License-Identifier: Apache-2.0
"""Remember what was paid, by identity, for later runs: wherever its files are, and after Kling has forgotten it (30 days).

On Airflow 3.3 it is a key in the state store of the task's own asset ``kling://<dag_id>/<task_id>``. Before 3.3, and for
what is paid once in the whole account, it is an Airflow Variable ``kling_record_<identity>``. Both are read, so that nothing
is forgotten when Airflow is upgraded.

The state store of an inactive asset answers "unknown" to every read. That must not be taken for "nothing was paid". So a
marker is written and read back first, and if that fails nothing is sent.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, cast

from kling_provider.assets import video_asset
from kling_provider.compat import get_asset_state_store
from kling_provider.exceptions import KlingServerError
from kling_provider.submission.records import VariableRecord, may_go_on_without
from kling_provider.submission.sent import SentRequest
from kling_provider.submission.steps import SubmissionRecord

log = logging.getLogger(__name__)

_MARKER = "kling_memory"
_DESCRIPTION = "what was paid for one request. airflow kling memory prune removes old ones."


class PaidMemory:
    """The memory of one identity.

    :param identity: ``Identity.key``.
    :param account_wide: other Dags share it, so that a store of this task's asset would not do.
    """

    def __init__(self, context: Mapping[str, Any], identity: str, *, account_wide: bool) -> None:
        ti = context["ti"]
        self._identity = identity
        self._asset = f"kling://{ti.dag_id}/{ti.task_id}"
        self._store = (
            None if account_wide else get_asset_state_store(context, video_asset(ti.dag_id, ti.task_id))
        )
        self._variable = VariableRecord(identity, _DESCRIPTION)

    @classmethod
    def of_sent(cls, context: Mapping[str, Any], sent: SentRequest) -> PaidMemory | None:
        """Return the memory of a request; ``None`` where the record of its task instance is all that is kept of it."""
        if not sent.is_remembered:
            return None
        return cls(context, sent.memory_key, account_wide=sent.is_account_wide)

    def load(self, *, is_proven: bool = False) -> SubmissionRecord | None:
        """Read what any run of this task stored.

        :param is_proven: the memory of this asset was seen to work a moment ago, by another identity.
        :raises KlingServerError: where the memory cannot be read; nothing was sent.
        """
        try:
            if self._store is not None:
                if not is_proven:
                    _check_that_it_works(self._store)
                value = self._store.get(self._identity)
                if isinstance(value, dict):
                    return cast("SubmissionRecord", value)
            return self._variable.load()
        except Exception as error:
            raise KlingServerError(
                f"Airflow's memory of what was paid ({self._place_name}) could not be read: {error} Nothing was sent, nothing "
                "is billed; the retry reads it again. An asset must be active to have a memory: check in Assets that no "
                "other Dag declares it under another name."
            ) from error

    def store(self, record: SubmissionRecord, *, needed: bool) -> None:
        """Keep ``record`` for later runs; the request itself stays with the task instance.

        :param needed: a failure is raised: Kling does not remember it.
        """
        kept = cast(
            "SubmissionRecord",
            {key: value for key, value in record.items() if key not in ("sent", "max_tries")},
        )
        # Who finds a task in Kling's list asks for its type, which the list does not tell.
        if type_ := (record.get("sent") or {}).get("type"):
            kept["type"] = type_
        if self._store is None:
            self._variable.store(kept, needed=needed)
            return
        try:
            self._store.set(self._identity, dict(kept))
        except Exception:
            if not may_go_on_without(kept, needed=needed):
                raise

    @property
    def _place_name(self) -> str:
        """Return what messages call the memory."""
        return f"the asset {self._asset}" if self._store is not None else "an Airflow Variable"


def _check_that_it_works(store: Any) -> None:
    store.set(_MARKER, datetime.now(UTC).isoformat())
    if not store.get(_MARKER):
        raise RuntimeError("what was written to it could not be read back.")

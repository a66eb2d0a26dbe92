# SPDX-License-Identifier: Apache-2.0
"""Where a task instance keeps its :class:`~kling_provider.submission.Record` between tries.

Airflow 3.3 has a task state store, which survives retries and clears and shows in the task's Storage tab.
Before it, an Airflow Variable stands in, only where the record is the only memory there is (no lock).
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Protocol, cast

from kling_provider.compat import never_expire, task_state_store
from kling_provider.submission import Record

log = logging.getLogger(__name__)

_KEY = "kling"
#: The same for people, who look at it in the task's Storage tab.
_PROGRESS = "kling_progress"


class Records(Protocol):
    """One task instance's memory."""

    def load(self) -> Record | None:
        """What an earlier try stored."""

    def store(self, record: Record) -> None:
        """Keep it. A failure raises where the record is all that protects against paying twice."""

    def saved(self) -> None:
        """The video is saved: from now on its file is the memory of whoever is no retry of this instance."""


def records_of(context: Mapping[str, Any], *, locked: bool, across_runs: str | None = None) -> Records:
    """The memory of the task instance in ``context``.

    :param locked: Kling itself refuses duplicates, so that a record is a convenience.
    :param across_runs: the identity's key where a video is paid once in all runs, and nobody else remembers.
    """
    store = task_state_store(context)
    own: Records = (
        _StateStore(store, needed=not locked) if store is not None else _of_instance(context, locked)
    )
    return own if across_runs is None else _AcrossRuns(own, across_runs)


def show_progress(
    context: Mapping[str, Any], *, state: str, waiting_for: str | None, kling_task_id: str | None
) -> None:
    """Where the job stands, for the task's Storage tab; before Airflow 3.3 there is none."""
    store = task_state_store(context)
    if store is None:
        return
    since = datetime.now(UTC).isoformat(timespec="seconds")
    shown = {"state": state, "kling_task_id": kling_task_id, "since": since, "waiting_for": waiting_for}
    try:
        store.set(_PROGRESS, shown)
    except Exception as error:  # noqa: BLE001 - nobody depends on it
        log.debug("Where the job stands could not be shown: %s", error)


def _made_unrecorded(record: Record, *, needed: bool) -> bool:
    """Whether the job goes on though ``record`` could not be kept, and says what that means.

    A task that was just made is waited for all the same: it is paid. The intent before it stays open, so where
    there is no lock a later try stops.
    """
    kling_task_id = record.get("kling_task_id")
    needed = needed or record.get("echoed") is False
    if kling_task_id is not None and needed:
        log.warning(
            "The record of Kling task %s could not be stored, and this host cannot be asked for it by its external id. "
            "If this task has to run again, put adopt: %s into the request first.",
            kling_task_id,
            kling_task_id,
        )
        return True
    if not needed:
        log.warning("The record of this submission could not be stored; a retry looks the task up.")
    return not needed


class _StateStore:
    def __init__(self, store: Any, *, needed: bool) -> None:
        self._store = store
        self._needed = needed

    def load(self) -> Record | None:
        value = self._store.get(_KEY)
        return cast("Record", value) if isinstance(value, dict) else None

    def store(self, record: Record) -> None:
        try:
            self._store.set(_KEY, dict(record), retention=never_expire())
        except Exception:
            # An intent that could not be kept must stop the paid call. With a lock the look-up is enough.
            if not _made_unrecorded(record, needed=self._needed):
                raise

    def saved(self) -> None:
        """Stays, for a clear after the file is gone."""


def _of_instance(context: Mapping[str, Any], locked: bool) -> _Variable:
    """A Variable per task instance, its name hashed, as names are limited to 250 characters."""
    ti = context["ti"]
    where = [ti.dag_id, ti.run_id, ti.task_id, ti.map_index]
    name = sha256(json.dumps(where).encode()).hexdigest()[:32]
    words = "what was paid for {}, run {}, task {}, map index {}. Delete it only with its run.".format(*where)
    return _Variable(name, words, locked=locked)


class _AcrossRuns:
    """One task instance's memory, and one by identity until the video is saved.

    The next run is another task instance: what this one paid and did not get to save (a timeout, a kill, a full
    disk) would be unknown to it, and paid again.
    """

    def __init__(self, own: Records, identity: str) -> None:
        self._own = own
        self._identity = identity
        words = "a video that was paid and is not saved yet. It goes when the video is saved."
        self._shared = _Variable(identity, words, locked=False)

    def load(self) -> Record | None:
        own = self._own.load()
        # Another identity in this instance's own record means a changed request, not a doubt: the shared one knows.
        return own if own is not None and own.get("identity") == self._identity else self._shared.load()

    def store(self, record: Record) -> None:
        self._shared.store(record)
        self._own.store(record)

    def saved(self) -> None:
        self._shared.forget()


class _Variable:
    """A record in an Airflow Variable, ``kling_record_…``."""

    def __init__(self, name: str, words: str, *, locked: bool) -> None:
        self._name = f"kling_record_{name}"
        self._words = words
        self._locked = locked

    def load(self) -> Record | None:
        from airflow.sdk import Variable

        value = Variable.get(self._name, default=None, deserialize_json=True)
        return cast("Record", value) if isinstance(value, dict) else None

    def store(self, record: Record) -> None:
        if self._locked and record.get("echoed") is not False:
            return  # Kling itself remembers
        from airflow.sdk import Variable

        try:
            Variable.set(
                self._name,
                dict(record),
                description=f"Kling: {self._words}",
                serialize_json=True,
            )
        except Exception:
            if not _made_unrecorded(record, needed=not self._locked):
                raise

    def saved(self) -> None:
        """Stays, for a clear after the file is gone."""

    def forget(self) -> None:
        from airflow.sdk import Variable

        try:
            Variable.delete(self._name)
        except Exception as error:  # noqa: BLE001 - it stays, and says of a saved video that it exists
            log.info("The Variable %s could not be deleted: %s", self._name, error)

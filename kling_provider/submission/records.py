# SPDX-License-Identifier: Apache-2.0
"""Remember what a task instance paid for, between its tries.

On Airflow 3.3 the record is in the task state store, which survives retries and clears and shows in the task's Storage tab.
Before 3.3 it is an Airflow Variable. What is paid once across runs is also remembered by its identity, in
:mod:`kling_provider.submission.memory`.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Protocol, cast

from airflow.sdk import Variable

from kling_provider.compat import get_never_expire_retention, get_task_state_store
from kling_provider.submission.steps import SubmissionRecord

log = logging.getLogger(__name__)

_KEY = "kling"
#: The key of what was prepared for it.
_PREPARATION = "kling_preparation"
#: The key of the same for people, shown in the task's Storage tab.
_PROGRESS = "kling_progress"


class InstanceRecord(Protocol):
    """One task instance's own record, between its tries."""

    def load(self) -> SubmissionRecord | None:
        """Read what an earlier try stored."""

    def store(self, record: SubmissionRecord, *, needed: bool) -> None:
        """Keep ``record`` until the next try.

        :param needed: the record is all that protects against paying twice: a failure is raised.
        """

    def forget(self) -> None:
        """Drop the record where it would stay behind for ever: the result is delivered, and Kling itself remembers."""


def get_instance_record(context: Mapping[str, Any]) -> InstanceRecord:
    """Return the record of the task instance in ``context``."""
    store = get_task_state_store(context)
    return _StateStore(store, _KEY) if store is not None else _build_variable_record(context)


def get_preparation_record(context: Mapping[str, Any]) -> InstanceRecord:
    """Return what the task instance in ``context`` keeps of the calls before its paid call: ``{"calls": {identity: record}}``."""
    store = get_task_state_store(context)
    if store is not None:
        return _StateStore(store, _PREPARATION)
    return _build_variable_record(context, "preparation")


def show_progress(context: Mapping[str, Any], known: Mapping[str, Any], *, waiting_for: str | None) -> None:
    """Show where the work stands in the task's Storage tab; before Airflow 3.3 there is none.

    The gallery reads it where XComs are kept in an object store and the database has only their URLs.

    :param known: what the XCom ``kling`` says.
    """
    store = get_task_state_store(context)
    if store is None:
        return
    since = datetime.now(UTC).isoformat(timespec="seconds")
    try:
        store.set(_PROGRESS, {"kling_task_id": None, **known, "since": since, "waiting_for": waiting_for})
    except Exception as error:  # noqa: BLE001 - nothing depends on it
        log.debug("The progress could not be written to the task state store: %s", error)


def may_go_on_without(record: SubmissionRecord, *, needed: bool) -> bool:
    """Decide whether the work goes on though ``record`` could not be kept, and log what that means.

    A task that was just made is waited for all the same: it is paid. The intent before it stays, so where there is no
    lock a later try stops.
    """
    kling_task_id = record.get("kling_task_id")
    needed = needed or record.get("echoed") is False
    if record.get("answer") is not None:
        log.warning(
            "What Kling answered (%s) could not be stored, and Kling cannot be asked for it again. This try delivers it; if this "
            "task has to run again, it may be paid again.",
            kling_task_id,
        )
        return True
    if kling_task_id is not None and needed:
        log.warning(
            "The record of Kling task %s could not be stored, and this host cannot be asked for it by its external id. "
            "If this task has to run again, put adopt: %s into the request first.",
            kling_task_id,
            kling_task_id,
        )
        return True
    if not needed:
        log.warning("The record of this submission could not be stored; a retry looks for the task at Kling.")
    return not needed


class VariableRecord:
    """A record in an Airflow Variable, ``kling_record_<name>``."""

    def __init__(self, name: str, description: str) -> None:
        self._name = f"kling_record_{name}"
        self._description = description

    def load(self) -> SubmissionRecord | None:
        """Read the record; ``None`` where there is none."""
        value = Variable.get(self._name, default=None, deserialize_json=True)
        return cast("SubmissionRecord", value) if isinstance(value, dict) else None

    def store(self, record: SubmissionRecord, *, needed: bool) -> None:
        """Write ``record`` into the Variable.

        :param needed: the record is all that protects against paying twice: a failure is raised.
        """
        try:
            Variable.set(
                self._name, dict(record), description=f"Kling: {self._description}", serialize_json=True
            )
        except Exception:
            if not may_go_on_without(record, needed=needed):
                raise

    def forget(self) -> None:
        """Delete the Variable; a failure is logged only."""
        try:
            Variable.delete(self._name)
        except Exception as error:  # noqa: BLE001 - it stays, and says of a delivered result that it exists
            log.info("The Variable %s could not be deleted: %s", self._name, error)


class _StateStore:
    def __init__(self, store: Any, key: str) -> None:
        self._store = store
        self._key = key

    def load(self) -> SubmissionRecord | None:
        value = self._store.get(self._key)
        return cast("SubmissionRecord", value) if isinstance(value, dict) else None

    def store(self, record: SubmissionRecord, *, needed: bool) -> None:
        try:
            self._store.set(self._key, dict(record), retention=get_never_expire_retention())
        except Exception:
            # An intent that could not be kept must stop the paid call. With a lock the look-up is enough.
            if not may_go_on_without(record, needed=needed):
                raise

    def forget(self) -> None:
        """Keep the record all the same, for a clear after the file is gone; it goes with the Dag run."""


def _build_variable_record(context: Mapping[str, Any], *more: str) -> VariableRecord:
    """Build the record of a task instance in a Variable. Its name is hashed, as names are limited to 250 characters.

    :param more: what tells a second record of the instance from its first one.
    """
    ti = context["ti"]
    where = [ti.dag_id, ti.run_id, ti.task_id, ti.map_index]
    name = sha256(json.dumps([*where, *more]).encode()).hexdigest()[:32]
    description = "what was paid for {}, run {}, task {}, map index {}. Delete it only with its run.".format(
        *where
    )
    return VariableRecord(name, description)

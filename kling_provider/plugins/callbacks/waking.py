# SPDX-License-Identifier: Apache-2.0
"""Wake a deferred task instance, once, whoever else does it at the same moment."""

from __future__ import annotations

from typing import Any

from airflow.models.taskinstance import TaskInstance
from airflow.models.trigger import handle_event_submit
from airflow.triggers.base import TriggerEvent
from airflow.utils.session import create_session
from airflow.utils.state import TaskInstanceState
from sqlalchemy import select


def wake_task(trigger_id: int, payload: dict[str, Any]) -> bool:
    """Resume the task instance that waits by a trigger; return ``False`` where none does any more. Waits for the database.

    It is what Airflow's own route for a person's answer does: the row of the task instance is locked, then looked at. Two
    API servers so resume it once. The triggerer takes no lock; where it is first, its event stands and this does nothing.

    :param payload: the event that the task's method gets.
    """
    with create_session(scoped=False) as session:
        is_waiting = (
            TaskInstance.trigger_id == trigger_id,
            TaskInstance.state == TaskInstanceState.DEFERRED,
        )
        task_instance_id = session.scalar(select(TaskInstance.id).where(*is_waiting))
        if task_instance_id is None:
            return False
        task_instance = session.get(
            TaskInstance, task_instance_id, with_for_update={"of": TaskInstance}, populate_existing=True
        )
        # Between the two reads anything may have happened: a clear, the triggerer's event, another wait.
        if (
            task_instance is None
            or task_instance.state != TaskInstanceState.DEFERRED
            or task_instance.trigger_id != trigger_id
        ):
            return False
        handle_event_submit(
            TriggerEvent(payload),  # type: ignore[no-untyped-call]
            task_instance=task_instance,
            session=session,
        )
        # The lock ends with the commit, at the end of the block.
        return True

# SPDX-License-Identifier: Apache-2.0
"""The triggers: one waits for a result, one for free concurrency of the account. They only read, which is free.

The triggerer imports this module inside its event loop, so it imports nothing heavy; what reads is imported in a
thread. Arguments have defaults and unknown ones are ignored, because during a rolling upgrade a trigger may be
loaded by an older or newer version than the one that made it. They are kept in the database as plain text: no
key, no header, no link.
"""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent
from asgiref.sync import sync_to_async

from kling_provider import metrics
from kling_provider.arguments import poll_seconds
from kling_provider.task_log import log_group, wait_title
from kling_provider.triggers.starting import load_module

log = logging.getLogger(__name__)

if TYPE_CHECKING:
    from kling_provider.polling.queue import Grant

__all__ = ["KlingConcurrencyTrigger", "KlingTaskTrigger"]

#: Seconds after the defer before which no trigger fires. The scheduler may meet the executor's "success" of the
#: defer only after the task was queued again, and then fails it (apache/airflow#66374, #67287, #71580, #72716).
FIRST_LOOK = 10.0

#: States of a task instance that works, or will: a callback or a clear took it out of its wait, or another triggerer waits.
_CLEARED = "cleared"
_GOES_ON = frozenset({"scheduled", "queued", "running", "deferred", "restarting", "up_for_retry", _CLEARED})


class KlingTaskTrigger(BaseTrigger):
    """Wait for a Kling task, and fire once when it has ended or the wait is over.

    The event is ``{"kling_task_id", "status", "message"}``; ``status`` is ``succeeded``, ``failed``, ``timeout``
    (a read after the deadline found it running), ``lost`` (Kling does not know it) or ``error`` (reads failed for
    ten minutes, or an unknown status word). The last three have a ``message``. The event has no link and no reason of
    a failure: the worker that resumes reads the task once more for both.

    :param kling_conn_id: the id of the Airflow connection.
    :param kling_task_id: the id of the task at Kling.
    :param type: the type of the request that made the task; the legacy API needs it for reads.
    :param deadline: when the wait ends, in seconds since the epoch; ``None`` waits for ever.
    :param first_look: the time before which it neither reads nor fires, in seconds since the epoch; default: 10 seconds
        from now.
    :param poll_interval: the shortest time between two reads, in seconds, at least 1; anything that is no number counts as
        ``None``: as often as the end is likely.
    :param external_task_id: the external id of the task; with ``model``, lets the queue of this connection count the
        task for its model.
    :param model: the model of the request; see ``external_task_id``.
    :param expected_at: when the result is likely to be done, in seconds since the epoch, for the log, as long as this
        process has seen no task of the kind end.
    :param seconds: of the video; with ``type``, ``model``, ``resolution`` and ``sound`` it tells what was asked for, and so
        when the end is likely.
    :param resolution: as in the request.
    :param sound: as in the request.
    :param made_at: when Kling made the task, in seconds since the epoch by our clock; ``None``: reads come every
        ``poll_interval``, or 10 seconds.
    :param created_at: the same by Kling's clock.
    """

    def __init__(
        self,
        *,
        kling_conn_id: str = "kling_default",
        kling_task_id: str = "",
        type: str = "text_to_video",
        deadline: float | None = None,
        first_look: float | None = None,
        poll_interval: float | None = None,
        external_task_id: str | None = None,
        model: str | None = None,
        expected_at: float | None = None,
        seconds: float | None = None,
        resolution: str | None = None,
        sound: str | None = None,
        made_at: float | None = None,
        created_at: float | None = None,
        **_ignored: Any,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.kling_conn_id = kling_conn_id
        self.kling_task_id = kling_task_id
        self.type = type
        self.deadline = deadline
        self.first_look = time.time() + FIRST_LOOK if first_look is None else first_look
        # A row of an older version, or one made by hand, must not hold up all others that wait here.
        self.poll_interval = poll_seconds(poll_interval, default=None)
        self.external_task_id = external_task_id
        self.model = model
        self.expected_at = expected_at
        self.seconds = seconds
        self.resolution = resolution
        self.sound = sound
        self.made_at = made_at
        self.created_at = created_at

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the arguments, which Airflow keeps in its database."""
        return f"{type(self).__module__}.{type(self).__qualname__}", {
            "kling_conn_id": self.kling_conn_id,
            "kling_task_id": self.kling_task_id,
            "type": self.type,
            "deadline": self.deadline,
            "first_look": self.first_look,
            "poll_interval": self.poll_interval,
            "external_task_id": self.external_task_id,
            "model": self.model,
            "expected_at": self.expected_at,
            "seconds": self.seconds,
            "resolution": self.resolution,
            "sound": self.sound,
            "made_at": self.made_at,
            "created_at": self.created_at,
        }

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait, and yield the one event."""
        await load_module("kling_provider.polling.waiting")
        from kling_provider.polling.waiting import (
            RenderKind,
            WaitState,
            convert_wall_time,
            find_render_times,
            wait_for_video,
        )

        kind = RenderKind(self.type, self.model, self.seconds, self.resolution, self.sound)
        estimate = find_render_times(self.kling_conn_id).estimate(kind)
        expected_at = self.expected_at
        if estimate is not None and estimate.seen and self.made_at is not None:
            expected_at = self.made_at + estimate.likely
        title = wait_title(self.kling_task_id, expected_at)
        with metrics.track_waiting("result"), log_group(self._say, title):
            decision = await wait_for_video(
                self.kling_conn_id,
                WaitState(
                    kling_task_id=self.kling_task_id,
                    deadline=None if self.deadline is None else convert_wall_time(self.deadline),
                    since=convert_wall_time(self.first_look),
                    poll_interval=self.poll_interval,
                ),
                kind=kind,
                first_look=convert_wall_time(self.first_look),
                made_at=None if self.made_at is None else convert_wall_time(self.made_at),
                created_at=self.created_at,
                external_task_id=self.external_task_id,
                say=self._say,
            )
        event = {"kling_task_id": self.kling_task_id, "status": decision.state.value}
        if decision.error is not None:
            event["message"] = str(decision.error)
        yield TriggerEvent(event)  # type: ignore[no-untyped-call]

    def _say(self, line: str) -> None:
        # Airflow's logger makes an object for each method that is kept.
        self.log.info(line)

    async def on_kill(self) -> None:
        """Write to the log what is true now that this trigger is cancelled.

        Airflow calls it when the task was marked or cleared, when a callback woke it, and when it moves a trigger.
        """
        state = await _find_task_state(getattr(self, "task_instance", None))
        if state in _GOES_ON:
            self.log.info(
                "This wait for Kling task %s is over: its Airflow task is %s now and goes on.",
                self.kling_task_id,
                state,
            )
            return
        self.log.info(
            "Nothing waits for Kling task %s any more%s. If it still runs, it goes on at Kling and is billed when it "
            "succeeds; clear the Airflow task to adopt it, which pays nothing.",
            self.kling_task_id,
            f": its Airflow task is {state}" if state else "",
        )


class KlingConcurrencyTrigger(BaseTrigger):
    """Wait in the queue of an account at its concurrency limit (1303), and fire once when the task may try again.

    It sends no request. The event is ``{"external_task_id", "status", "queued_at", "refusals", "message"}``; ``status``
    is ``room``, ``timeout`` or ``error`` (with a ``message``). If the next try is refused as well, pass ``queued_at`` on
    to the next trigger: it decides the place in the queue. With ``room`` come ``granted_at`` (an epoch) and, where the task was
    woken before its place is free, ``watch`` and ``needed``: it may send when so much of the limit is free again of what the
    tasks in flight take whose ids are the keys of ``watch``.

    The queue belongs to the triggerer process. Several triggerers have one each; they may then wake more tasks than the
    limit allows, and Kling's refusal sends the others back to their places.

    :param kling_conn_id: the id of the Airflow connection; all that share it share the queue.
    :param external_task_id: the external id of the try that was refused.
    :param model: the model of the request, or its type where that has no model; Kling's limit is per model, and so is the queue.
    :param dag_id: the id of the Dag; the Dags of a queue take turns.
    :param queued_at: when this try was first refused, in seconds since the epoch; default: now.
    :param refusals: how often it was refused, for the log.
    :param queue_deadline: when the wait ends with ``timeout``, in seconds since the epoch; default: 24 hours from now.
    :param first_look: the time before which it does not fire, in seconds since the epoch; default: 10 seconds from now.
    :param full: ``True`` if the account was at its limit (1303), ``False`` if requests came too often.
    :param type: the type of the request: videos and images have limits of their own.
    :param takes: how much of the limit it takes: a request for several images as many.
    :param priority_weight: the weight of the task: higher ones are first, and who has waited an hour counts as highest.
    :param worker_start: seconds from the event before this trigger to the worker that it woke; ``None`` where there was none.
    :param seconds: the duration of the video; with the next two, tells how long Kling is likely to take.
    :param resolution: of the request.
    :param sound: of the request.
    """

    def __init__(
        self,
        *,
        kling_conn_id: str = "kling_default",
        external_task_id: str | None = None,
        model: str = "",
        dag_id: str = "",
        queued_at: float | None = None,
        refusals: int = 1,
        queue_deadline: float | None = None,
        first_look: float | None = None,
        full: bool = True,
        type: str = "text_to_video",
        takes: int = 1,
        priority_weight: int = 1,
        worker_start: float | None = None,
        seconds: float | None = None,
        resolution: str | None = None,
        sound: str | None = None,
        **_ignored: Any,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        now = time.time()
        self.kling_conn_id = kling_conn_id
        self.external_task_id = external_task_id
        self.model = model
        self.type = type
        self.takes = takes
        self.dag_id = dag_id
        self.queued_at = now if queued_at is None else queued_at
        self.refusals = refusals
        self.queue_deadline = now + 86_400.0 if queue_deadline is None else queue_deadline
        self.first_look = now + FIRST_LOOK if first_look is None else first_look
        self.full = full
        # A row that was made by hand must not hold up all others that wait here.
        self.priority_weight = _read_weight(priority_weight)
        self.worker_start = worker_start
        self.seconds = seconds
        self.resolution = resolution
        self.sound = sound

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the arguments, which Airflow keeps in its database."""
        return f"{type(self).__module__}.{type(self).__qualname__}", {
            "kling_conn_id": self.kling_conn_id,
            "external_task_id": self.external_task_id,
            "model": self.model,
            "dag_id": self.dag_id,
            "queued_at": self.queued_at,
            "refusals": self.refusals,
            "queue_deadline": self.queue_deadline,
            "first_look": self.first_look,
            "full": self.full,
            "type": self.type,
            "takes": self.takes,
            "priority_weight": self.priority_weight,
            "worker_start": self.worker_start,
            "seconds": self.seconds,
            "resolution": self.resolution,
            "sound": self.sound,
        }

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait, and yield the one event."""
        await load_module("kling_provider.polling.waiting")
        from kling_provider.polling.waiting import (
            Entry,
            KlingError,
            RenderKind,
            convert_wall_time,
            wait_for_capacity,
        )

        entry = Entry(
            # The place is as good a name as any where the model takes no external id.
            ticket=self.external_task_id or f"{self.dag_id} {self.queued_at!r}",
            external_task_id=self.external_task_id,
            model=self.model,
            dag_id=self.dag_id,
            queued_at=self.queued_at,
            not_before=convert_wall_time(self.first_look),
            full=self.full,
            type=self.type,
            takes=self.takes,
            priority_weight=self.priority_weight,
            worker_start=self.worker_start,
            kind=RenderKind(self.type, self.model or None, self.seconds, self.resolution, self.sound),
        )
        outcome: dict[str, Any]
        try:
            with (
                metrics.track_waiting("queue"),
                log_group(
                    self.log.info, f"In the queue: the account is at its concurrency limit for {self.model}"
                ),
            ):
                grant = await wait_for_capacity(
                    self.kling_conn_id,
                    entry,
                    deadline=convert_wall_time(self.queue_deadline),
                    say=self.log.info,
                )
            outcome = {"status": "timeout"} if grant is None else _describe_grant(grant)
        except KlingError as error:
            outcome = {"status": "error", "message": str(error)}
        yield TriggerEvent(  # type: ignore[no-untyped-call]
            {
                "external_task_id": self.external_task_id,
                "queued_at": self.queued_at,
                "refusals": self.refusals,
                **outcome,
            }
        )

    async def on_kill(self) -> None:
        """Write to the log that nothing was made and nothing is billed. Airflow also calls this when it moves a trigger."""
        self.log.info(
            "Nothing waits for the account's concurrency limit here any more. Nothing was made, nothing is billed."
        )


def _read_weight(value: object) -> int:
    return value if isinstance(value, int) else 1


def _describe_grant(grant: Grant) -> dict[str, Any]:
    """Describe for the worker that is woken what its place is."""
    place = {"watch": dict(grant.watch), "needed": grant.needed} if grant.is_early else {}
    return {"status": "room", "granted_at": time.time(), **place}


async def _find_task_state(task_instance: Any) -> str | None:
    """Return the state of a task instance as Airflow has it now; ``None`` where it cannot be asked."""
    if task_instance is None:
        return None
    try:
        states: Any = await sync_to_async(_read_task_states)(task_instance)
    except Exception as error:  # noqa: BLE001 - it only chooses the words of a log line
        log.debug("The state of the task instance cannot be read: %s", type(error).__name__)
        return None
    for by_task in (states or {}).values():
        for state in by_task.values():
            return str(state) if state else _CLEARED
    return None


def _read_task_states(task_instance: Any) -> Any:
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

    return RuntimeTaskInstance.get_task_states(
        dag_id=task_instance.dag_id,
        run_ids=[task_instance.run_id],
        task_ids=[task_instance.task_id],
        map_index=task_instance.map_index,
    )

# SPDX-License-Identifier: Apache-2.0
"""The sensor: waits until Kling has finished a task."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import BaseSensorOperator, PokeReturnValue

from kling_provider import metrics
from kling_provider.links.kling import KlingConsoleLink, KlingGalleryLink, KlingVideoLink
from kling_provider.operators.announcing import VideoOutlet
from kling_provider.operators.telling import told_failures

if TYPE_CHECKING:
    from airflow.sdk import Context

    from kling_provider.api.tasks import KlingTask
    from kling_provider.hooks.kling import KlingHook

#: Airflow's own limit on a deferral is a net below the trigger's deadline.
NET = timedelta(minutes=10)


class KlingTaskSensor(VideoOutlet, BaseSensorOperator):
    """Waits for a Kling task, by default without a worker.

    XCom: the result (ids, outputs, billing, times); and each video is an event of the asset
    ``kling://<dag_id>/<task_id>``. A task that Kling failed fails the sensor at once: a
    retry of the sensor cannot help, so the message names what to clear. ``timeout`` (seconds or timedelta),
    ``soft_fail``, and for ``deferrable=False`` ``poke_interval`` and ``mode`` are Airflow's own.

    :param kling_task_id: the task, as ``KlingSubmitOperator`` pushes it. (templated)
    :param type: the kind of request that made it; legacy reads are bound to it. (templated)
    :param request: the request, which brings name and prompt into the result. (templated)
    :param kling_conn_id: the connection. (templated)
    :param deferrable: ``False`` pokes or reschedules.
    :param poll_interval: seconds between two reads while deferred, shared by all waiting tasks.
    """

    template_fields: Sequence[str] = ("kling_task_id", "type", "request", "kling_conn_id")
    template_fields_renderers: ClassVar[dict[str, str]] = {"request": "json"}
    operator_extra_links = (KlingVideoLink(), KlingGalleryLink(), KlingConsoleLink())
    ui_color = "#e7f6ef"

    def __init__(
        self,
        *,
        kling_task_id: str,
        type: str | None = None,
        request: Mapping[str, Any] | None = None,
        kling_conn_id: str = "kling_default",
        deferrable: bool = True,
        poll_interval: float = 10.0,
        timeout: float | timedelta = timedelta(hours=1),
        **kwargs: Any,
    ) -> None:
        super().__init__(timeout=timeout, **kwargs)
        self.kling_task_id = kling_task_id
        self.type = type
        self.request = request
        self.kling_conn_id = kling_conn_id
        self.deferrable = deferrable
        self.poll_interval = poll_interval
        self._declare_video()

    def execute(self, context: Context) -> Any:
        with self._told_failures(context):
            return self._wait(context) if self.deferrable else super().execute(context)

    def _told_failures(self, context: Context) -> AbstractContextManager[None]:
        return told_failures(
            context, kling_task_id=self.kling_task_id, request=self.request, conn_id=self.kling_conn_id
        )

    def _wait(self, context: Context) -> Any:
        task = self._read()
        if (result := self._result(context, task)) is not None:
            return result
        from kling_provider.operators.waiting import FIRST_LOOK
        from kling_provider.triggers.kling import KlingTaskTrigger

        now = time.time()
        self.log.info("Kling task %s is %s; waiting without a worker.", task.kling_task_id, task.word)
        self.defer(
            trigger=KlingTaskTrigger(
                kling_conn_id=self.kling_conn_id,
                kling_task_id=task.kling_task_id,
                type=self._kind,
                deadline=now + self.timeout,
                first_look=now + FIRST_LOOK,
                poll_interval=self.poll_interval,
                expected_at=self._expected_at(task),
            ),
            method_name="execute_complete",
            timeout=timedelta(seconds=self.timeout) + NET,
        )
        raise AssertionError("unreachable: defer raises")

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        """The trigger's event; the worker reads the task once more, for a fresh link and the truth."""
        from airflow.sdk.exceptions import AirflowSensorTimeout

        from kling_provider.exceptions import KlingTimeout
        from kling_provider.operators.waiting import confirmed

        dag_id = context["ti"].dag_id
        try:
            with self._told_failures(context):
                task = confirmed(self._hook, event, self._kind)
                if task.finished_at is not None:
                    metrics.noticed(datetime.now(UTC) - task.finished_at, dag_id=dag_id)
                return self._result(context, task)
        except KlingTimeout as error:
            raise AirflowSensorTimeout(str(error)) from None

    def poke(self, context: Context) -> PokeReturnValue:
        task = self._read()
        result = self._result(context, task)
        if result is None:
            self.log.info("Kling task %s is %s.", task.kling_task_id, task.word)
        return PokeReturnValue(is_done=result is not None, xcom_value=result)

    @cached_property
    def _hook(self) -> KlingHook:
        from kling_provider.hooks.kling import KlingHook

        return KlingHook(self.kling_conn_id)

    @property
    def _kind(self) -> str:
        return self.type or (self.request or {}).get("type") or "text_to_video"

    def _read(self) -> KlingTask:
        from kling_provider.operators.waiting import read_task

        return read_task(self._hook, self.kling_task_id, self._kind)

    def _expected_at(self, task: KlingTask) -> float | None:
        """When the video will be there, roughly: an epoch. What was asked for must be known for it."""
        if not self.request or task.created_at is None:
            return None
        from kling_provider.api.expectation import expected_seconds

        request = self._hook.request(self.request)
        return task.created_at.timestamp() + expected_seconds(request.model, request.duration)

    def _result(self, context: Context, task: KlingTask) -> dict[str, Any] | None:
        """The result of a finished task, ``None`` while it runs; a failed one raises."""
        from kling_provider.operators.saving import result_of
        from kling_provider.operators.waiting import count_delivered, raise_if_failed_finally

        raise_if_failed_finally(task)
        if not task.status.ended:
            return None
        request = self._hook.request(self.request) if self.request else None
        count_delivered(task, dag_id=context["ti"].dag_id, model=request.model if request else None)
        return self._finished(context, result_of(task, request, type=self._kind), request=request)

# SPDX-License-Identifier: Apache-2.0
"""The sensor: waits until Kling has finished a task."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.common.compat.sdk import (
    AirflowException,
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
)
from airflow.sdk import BaseSensorOperator, PokeReturnValue

from kling_provider import metrics
from kling_provider.arguments import Argument, duration, flag, interval, request_mapping, text, with_dicts
from kling_provider.compat import task_deferral_timeout
from kling_provider.links.kling import KlingConsoleLink, KlingGalleryLink, KlingVideoLink
from kling_provider.operators.announcing import VideoOutlet
from kling_provider.operators.telling import told_failures

if TYPE_CHECKING:
    from airflow.sdk import Context

    from kling_provider.api.requests.base import KlingRequest
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
    :param poll_interval: time between two reads while deferred: seconds or a timedelta, at least 1 second. Tasks that
        wait on one connection share their reads.
    """

    template_fields: Sequence[str] = ("kling_task_id", "type", "request", "kling_conn_id")
    template_fields_renderers: ClassVar[dict[str, str]] = {"request": "json"}
    operator_extra_links = (KlingVideoLink(), KlingGalleryLink(), KlingConsoleLink())
    ui_color = "#e7f6ef"
    arguments: ClassVar[Mapping[str, Argument]] = {
        "request": request_mapping(optional=True),
        "kling_conn_id": text("the id of a connection"),
        "deferrable": flag(),
        "poll_interval": interval(),
        "timeout": duration(zero=True),
        # A pause of 0 would ask Kling without end.
        "poke_interval": interval(),
        "soft_fail": flag(),
        "never_fail": flag(),
        "silent_fail": flag(),
    }

    def __init__(
        self,
        *,
        kling_task_id: str,
        type: str | None = None,
        request: Mapping[str, Any] | None = None,
        kling_conn_id: str = "kling_default",
        deferrable: bool = True,
        poll_interval: float | timedelta = 10.0,
        timeout: float | timedelta = timedelta(hours=1),
        **kwargs: Any,
    ) -> None:
        # Airflow's own settings first: it would say of text and endless times something else in each version.
        own = self.read_arguments({"timeout": timeout, **kwargs})
        super().__init__(**{**kwargs, **own})
        self.kling_task_id = kling_task_id
        self.type = type
        self.request = with_dicts(request)
        self.kling_conn_id = kling_conn_id
        self.deferrable = deferrable
        self.poll_interval: Any = poll_interval  # seconds, once it is checked
        self._check_arguments()

    def execute(self, context: Context) -> Any:
        if self.deferrable:
            with self._one_outcome(), self._told_failures(context):
                return self._wait(context)
        try:
            return super().execute(context)
        except AirflowSensorTimeout as error:  # Airflow's own of poke and reschedule mode
            if self.never_fail:
                raise AirflowSkipException(f"Skipped, as never_fail says: {error}") from error
            raise

    def _told_failures(self, context: Context) -> AbstractContextManager[None]:
        return told_failures(
            context, kling_task_id=self.kling_task_id, request=self.request, conn_id=self.kling_conn_id
        )

    @contextmanager
    def _one_outcome(self) -> Iterator[None]:
        """``soft_fail`` and ``never_fail`` mean the same before a defer, after it, in poke and in reschedule mode.

        Both skip what is final: a video that Kling failed, a timeout, a setting that is wrong. What a retry may mend
        is skipped by ``never_fail`` alone.
        """
        try:
            yield
        except AirflowSkipException:
            raise
        except (AirflowFailException, AirflowSensorTimeout) as error:
            if self.soft_fail or self.never_fail:
                raise AirflowSkipException(f"Skipped, as soft_fail or never_fail says: {error}") from error
            raise
        except AirflowException as error:
            if self.never_fail:
                raise AirflowSkipException(f"Skipped, as never_fail says: {error}") from error
            raise

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        with self._one_outcome():
            try:
                # Not BaseSensorOperator's: for soft_fail that skips also what a retry may mend.
                return super(BaseSensorOperator, self).resume_execution(next_method, next_kwargs, context)
            except task_deferral_timeout() as error:
                raise AirflowSensorTimeout(str(error)) from error

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
            # Airflow renders the fields anew at the resume; what they say by then is not what was waited for.
            kwargs={"waited": self._fields_to_keep()},
            timeout=timedelta(seconds=self.timeout) + NET,
        )
        raise AssertionError("unreachable: defer raises")

    def _fields_to_keep(self) -> dict[str, Any]:
        from kling_provider.storage import shown_request
        from kling_provider.submission.sent import fit_to_store

        shown = shown_request(self.request) if isinstance(self.request, Mapping) else None
        return {"kling_conn_id": self.kling_conn_id, "type": self._kind, "request": fit_to_store(shown)}

    def execute_complete(
        self,
        context: Context,
        event: dict[str, Any],
        waited: Mapping[str, Any] | None = None,
        **_ignored: Any,
    ) -> Any:
        """Finish the wait: the worker reads the task once more, for a fresh link and the truth.

        :param waited: connection, type and request as they were at the defer; ``airflow dags test`` drops them.
        """
        from kling_provider.exceptions import KlingTimeout
        from kling_provider.operators.waiting import confirmed

        dag_id = context["ti"].dag_id
        for name, value in (waited or {}).items():
            if name in ("kling_conn_id", "type", "request"):
                setattr(self, name, value)
        with self._one_outcome():
            try:
                with self._told_failures(context):
                    task = confirmed(self._hook, event, self._kind)
                    if task.finished_at is not None:
                        metrics.noticed(datetime.now(UTC) - task.finished_at, dag_id=dag_id)
                    return self._result(context, task)
            except KlingTimeout as error:
                raise AirflowSensorTimeout(str(error)) from None

    def poke(self, context: Context) -> PokeReturnValue:
        # With silent_fail a fault is logged by Airflow and the next poke comes: that is no failure to tell.
        telling = nullcontext() if self.silent_fail else self._told_failures(context)
        with self._one_outcome(), telling:
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
        request = self.request if isinstance(self.request, Mapping) else {}
        return self.type or request.get("type") or "text_to_video"

    @cached_property
    def _checked_request(self) -> KlingRequest | None:
        """The request, which only adds to what is told: one that is wrong does not end the wait for what is paid."""
        if not self.request:
            return None
        from kling_provider.exceptions import KlingRequestError

        try:
            return self._hook.validate_request(self.request)
        except KlingRequestError as error:
            self.log.warning("The request of this sensor is left out of its result. %s", error)
            return None

    def _read(self) -> KlingTask:
        from kling_provider.operators.waiting import read_task

        return read_task(self._hook, self.kling_task_id, self._kind)

    def _expected_at(self, task: KlingTask) -> float | None:
        """When the video will be there, roughly: an epoch. What was asked for must be known for it."""
        request = self._checked_request
        if request is None or task.created_at is None or request.summary.duration is None:
            return None
        from kling_provider.api.models import expected_seconds

        return task.created_at.timestamp() + expected_seconds(request.model, request.summary.duration)

    def _result(self, context: Context, task: KlingTask) -> dict[str, Any] | None:
        """The result of a finished task, ``None`` while it runs; a failed one raises."""
        from kling_provider.execution.outcome import TaskOutcome
        from kling_provider.operators.waiting import count_delivered, raise_if_failed_finally, with_outputs

        task = with_outputs(self._hook, task, self._kind)
        raise_if_failed_finally(task)
        if not task.status.ended:
            return None
        request = self._checked_request
        count_delivered(task, dag_id=context["ti"].dag_id, model=request.model if request else None)
        return self._finished(context, TaskOutcome.of_task(task, request, type=self._kind))

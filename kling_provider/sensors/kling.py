# SPDX-License-Identifier: Apache-2.0
"""The sensor: waits until Kling has finished a task."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.common.compat.sdk import (
    AirflowException,
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
)
from airflow.sdk import BaseSensorOperator, PokeReturnValue

from kling_provider.arguments import (
    Argument,
    accept_duration,
    accept_flag,
    accept_interval,
    accept_request,
    accept_text,
    with_dicts,
)
from kling_provider.compat import task_deferral_timeout
from kling_provider.operators.base import KlingOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from kling_provider.execution.runs.wait import WaitRun


class KlingTaskSensor(KlingOperator, BaseSensorOperator):
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
    _asset_among = "outlets"
    arguments: ClassVar[Mapping[str, Argument]] = {
        "request": accept_request(optional=True),
        "kling_conn_id": accept_text("the id of a connection"),
        "deferrable": accept_flag(),
        "poll_interval": accept_interval(),
        "timeout": accept_duration(zero=True),
        # A pause of 0 would ask Kling without end.
        "poke_interval": accept_interval(),
        "soft_fail": accept_flag(),
        "never_fail": accept_flag(),
        "silent_fail": accept_flag(),
    }

    _poking: WaitRun | None = None

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

    def execute(self, context: Context) -> Any:
        if self.deferrable:
            run = self._run(context)
            with self._one_outcome(), run.reported_failures():
                return run.wait()
        try:
            return super().execute(context)
        except AirflowSensorTimeout as error:  # Airflow's own of poke and reschedule mode
            if self.never_fail:
                raise AirflowSkipException(f"Skipped, as never_fail says: {error}") from error
            raise

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
        for name, value in (waited or {}).items():
            if name in ("kling_conn_id", "type", "request"):
                setattr(self, name, value)
        with self._one_outcome():
            return self._run(context).resume(event)

    def poke(self, context: Context) -> PokeReturnValue:
        """Look once, in poke and reschedule mode."""
        if self._poking is None or self._poking.context is not context:
            self._poking = self._run(context)  # one connection for all looks of this process
        run = self._poking
        # With silent_fail a fault is logged by Airflow and the next poke comes: that is no failure to tell.
        with self._one_outcome(), nullcontext() if self.silent_fail else run.reported_failures():
            result = run.look()
            return PokeReturnValue(is_done=result is not None, xcom_value=result)

    def _run(self, context: Context) -> WaitRun:
        from kling_provider.execution.runs.wait import WaitRun

        return WaitRun(self, context)

# SPDX-License-Identifier: Apache-2.0
"""The sensor, which waits until Kling has finished a task."""

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
from kling_provider.compat import get_task_deferral_timeout_class
from kling_provider.operators.base import KlingOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from kling_provider.execution.runs.wait import WaitRun

__all__ = ["KlingTaskSensor"]


class KlingTaskSensor(KlingOperator, BaseSensorOperator):
    """Wait for a Kling task, by default without a worker.

    The XCom is the result (ids, outputs, billing, times), and each result is an event of the asset
    ``kling://<dag_id>/<task_id>``. If Kling failed the task, the sensor fails at once and is not retried, because a retry
    cannot help; the message names what to clear. ``soft_fail``, and for ``deferrable=False`` ``poke_interval`` and
    ``mode``, are Airflow's own.

    :param kling_task_id: the id of the task, as ``KlingSubmitOperator`` pushes it. (templated)
    :param type: the type of the request that made the task; the legacy API needs it for reads. (templated)
    :param request: the request, for name and prompt in the result. (templated)
    :param kling_conn_id: the id of the connection. (templated)
    :param deferrable: whether to wait in the triggerer; ``False`` pokes or reschedules.
    :param poll_interval: the shortest time between two reads of the task while deferred: seconds or a timedelta, at least 1
        second. ``None`` leaves it to what the triggerer has learned of such tasks: it reads often while the end is likely, rarely
        before and long after. Tasks that wait on one connection share their reads.
    :param timeout: the longest wait for the task: seconds or a timedelta; Airflow's own, with another default.
    """

    template_fields: Sequence[str] = ("kling_task_id", "type", "request", "kling_conn_id")
    _asset_among = "outlets"
    arguments: ClassVar[Mapping[str, Argument]] = {
        "request": accept_request(optional=True),
        "kling_conn_id": accept_text("the id of a connection"),
        "deferrable": accept_flag(),
        "poll_interval": accept_interval(optional=True),
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
        poll_interval: float | timedelta | None = None,
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
        """Await the task: in the triggerer, or in poke or reschedule mode."""
        if self.deferrable:
            run = self._make_run(context)
            with self._apply_fail_settings(), run.report_failures():
                return run.wait_for_task()
        try:
            return super().execute(context)
        except AirflowSensorTimeout as error:  # Airflow's own of poke and reschedule mode
            if self.never_fail:
                raise AirflowSkipException(f"Skipped, because never_fail is set: {error}") from error
            raise

    @contextmanager
    def _apply_fail_settings(self) -> Iterator[None]:
        """Apply ``soft_fail`` and ``never_fail`` alike before a defer, after it, in poke and in reschedule mode.

        Both skip the task if its failure is final: a request that Kling failed, a timeout, a wrong setting. A failure that
        a retry may solve is skipped by ``never_fail`` alone.
        """
        try:
            yield
        except AirflowSkipException:
            raise
        except (AirflowFailException, AirflowSensorTimeout) as error:
            if self.soft_fail or self.never_fail:
                raise AirflowSkipException(
                    f"Skipped, because soft_fail or never_fail is set: {error}"
                ) from error
            raise
        except AirflowException as error:
            if self.never_fail:
                raise AirflowSkipException(f"Skipped, because never_fail is set: {error}") from error
            raise

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Resume after a defer, with ``soft_fail`` and ``never_fail`` applied to what the trigger reports."""
        with self._apply_fail_settings():
            try:
                # Not BaseSensorOperator's: for soft_fail that also skips failures that a retry may solve.
                return super(BaseSensorOperator, self).resume_execution(next_method, next_kwargs, context)
            except get_task_deferral_timeout_class() as error:
                raise AirflowSensorTimeout(str(error)) from error

    def execute_complete(
        self,
        context: Context,
        event: dict[str, Any],
        waited: Mapping[str, Any] | None = None,
        **_ignored: Any,
    ) -> Any:
        """Finish the wait; the worker reads the task once more, for a fresh link and its final state.

        :param context: the context of the task instance.
        :param event: the event of :class:`~kling_provider.triggers.kling.KlingTaskTrigger`.
        :param waited: connection, type and request as they were at the defer; ``airflow dags test`` drops them.
        """
        for name, value in (waited or {}).items():
            if name in ("kling_conn_id", "type", "request"):
                setattr(self, name, value)
        with self._apply_fail_settings():
            return self._make_run(context).resume(event)

    def poke(self, context: Context) -> PokeReturnValue:
        """Read the task once, in poke or reschedule mode."""
        if self._poking is None or self._poking.context is not context:
            self._poking = self._make_run(context)  # one connection for all looks of this process
        run = self._poking
        # With silent_fail a fault is logged by Airflow and the next poke comes: that is no failure to tell.
        with self._apply_fail_settings(), nullcontext() if self.silent_fail else run.report_failures():
            result = run.read_result_once()
            return PokeReturnValue(is_done=result is not None, xcom_value=result)

    def _make_run(self, context: Context) -> WaitRun:
        from kling_provider.execution.runs.wait import WaitRun

        return WaitRun(self, context)

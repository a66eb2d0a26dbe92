# SPDX-License-Identifier: Apache-2.0
"""One try of a sensor: look at a task that another Airflow task submitted, until it has ended."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.providers.common.compat.sdk import AirflowSensorTimeout

from kling_provider.api.requests.base import KlingRequest
from kling_provider.api.tasks import KlingTask
from kling_provider.exceptions import KlingRequestError, KlingTimeout
from kling_provider.execution.failures import report_failures_of_task
from kling_provider.execution.outcome import TaskOutcome
from kling_provider.execution.progress import announce_result
from kling_provider.execution.reading import (
    confirm_end,
    get_deadline,
    raise_if_failed_finally,
    read_outputs,
    read_task,
)
from kling_provider.execution.waits import (
    compute_deferral_timeout,
    count_delivered,
    expect_end,
    find_made_at,
)
from kling_provider.hooks.kling import KlingHook
from kling_provider.storage.inputs import shown_request
from kling_provider.submission.sent import fit_to_store
from kling_provider.triggers.kling import FIRST_LOOK, KlingTaskTrigger

if TYPE_CHECKING:
    from airflow.sdk import Context

    from kling_provider.sensors.kling import KlingTaskSensor

log = logging.getLogger(__name__)


class WaitRun:
    """One try of a task instance of ``sensor``."""

    def __init__(self, sensor: KlingTaskSensor, context: Context) -> None:
        self.sensor = sensor
        self.context = context
        self.dag_id: str = context["ti"].dag_id

    def report_failures(self) -> AbstractContextManager[None]:
        """Count, log and push what fails within the block."""
        return report_failures_of_task(
            self.context,
            kling_task_id=self.sensor.kling_task_id,
            request=self.sensor.request,
            conn_id=self.sensor.kling_conn_id,
        )

    def read_result_once(self) -> dict[str, Any] | None:
        """Read the task once, and return its result if it has succeeded, ``None`` while it runs.

        :raises KlingTaskFailedFinally: where Kling failed it.
        """
        task = self._read_task()
        result = self._deliver_task(task)
        if result is None:
            log.info("Kling task %s is %s.", task.kling_task_id, task.word)
        return result

    def wait_for_task(self) -> Any:
        """Read the task once; defer while it runs."""
        task = self._read_task()
        if (result := self._deliver_task(task)) is not None:
            return result
        log.info("Kling task %s is %s; waiting without a worker.", task.kling_task_id, task.word)
        return self._defer_until_ended(task, time.time() + self.sensor.timeout)

    def _defer_until_ended(self, task: KlingTask, deadline: float) -> NoReturn:
        sensor, request = self.sensor, self._parsed_request
        asked = request.summary if request else None
        sensor.defer(
            trigger=KlingTaskTrigger(
                kling_conn_id=sensor.kling_conn_id,
                kling_task_id=task.kling_task_id,
                type=self._request_type,
                deadline=deadline,
                first_look=time.time() + FIRST_LOOK,
                poll_interval=sensor.poll_interval,
                model=request.model if request else None,
                expected_at=expect_end(task, request.model, asked.duration) if request and asked else None,
                seconds=asked.duration if asked else None,
                resolution=asked.resolution if asked else None,
                sound=asked.sound if asked else None,
                made_at=find_made_at(task),
                created_at=task.created_at.timestamp() if task.created_at else None,
            ),
            method_name="execute_complete",
            # Airflow renders the fields anew at the resume; what they say by then is not what was waited for.
            kwargs={"waited": self._fields_to_keep()},
            timeout=compute_deferral_timeout(deadline),
        )
        raise AssertionError("unreachable: defer raises")

    def resume(self, event: Mapping[str, Any]) -> Any:
        """Finish the wait: the worker reads the task once more, for a fresh link and its status now.

        :raises AirflowSensorTimeout: where the deadline passed and the task still runs.
        """
        try:
            with self.report_failures():
                task = confirm_end(self._hook, event, self._request_type, dag_id=self.dag_id)
                if not task.status.ended:
                    self._defer_until_ended(task, get_deadline(event) or time.time() + self.sensor.timeout)
                return self._deliver_task(task)
        except KlingTimeout as error:
            raise AirflowSensorTimeout(str(error)) from None

    @cached_property
    def _hook(self) -> KlingHook:
        return KlingHook(self.sensor.kling_conn_id)

    @property
    def _request_type(self) -> str:
        request = self.sensor.request if isinstance(self.sensor.request, Mapping) else {}
        return self.sensor.type or request.get("type") or "text_to_video"

    @cached_property
    def _parsed_request(self) -> KlingRequest | None:
        """Return the request, which only adds to what is reported: a wrong one does not end the wait for what is paid."""
        if not self.sensor.request:
            return None
        try:
            return self._hook.validate_request(self.sensor.request)
        except KlingRequestError as error:
            log.warning("The request of this sensor is left out of its result. %s", error)
            return None

    def _fields_to_keep(self) -> dict[str, Any]:
        request = self.sensor.request
        shown = shown_request(request) if isinstance(request, Mapping) else None
        return {
            "kling_conn_id": self.sensor.kling_conn_id,
            "type": self._request_type,
            "request": fit_to_store(shown),
        }

    def _read_task(self) -> KlingTask:
        return read_task(self._hook, self.sensor.kling_task_id, self._request_type)

    def _deliver_task(self, task: KlingTask) -> dict[str, Any] | None:
        """Return the result of a finished task, ``None`` while it runs; raise for a failed one."""
        task = read_outputs(self._hook, task, self._request_type)
        raise_if_failed_finally(task)
        if not task.status.ended:
            return None
        request = self._parsed_request
        model = request.model if request else None
        count_delivered(task, self._request_type, dag_id=self.dag_id, model=model)
        outcome = TaskOutcome.of_task(task, request, type=self._request_type)
        return announce_result(self.sensor, self.context, outcome, conn_id=self.sensor.kling_conn_id)

# SPDX-License-Identifier: Apache-2.0
"""What a task leaves for the UI when it fails: the XCom ``kling``, with the reason in one line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from kling_provider import metrics

if TYPE_CHECKING:
    from kling_provider.exceptions import KlingError

#: Of a request that was never checked here, what may be shown: no picture is among it.
_SHOWN = ("name", "type", "prompt", "model", "duration", "take")


def failure(error: KlingError, kling_task_id: str | None = None) -> dict[str, Any]:
    """What the XCom says of a failure.

    :param kling_task_id: where the error names none.
    """
    return {
        "state": "failed",
        "reason": str(error),
        "kling_task_id": error.kling_task_id or kling_task_id,
        "task_state": str(error.task_state),
    }


@contextmanager
def told_failures(
    context: Mapping[str, Any], *, kling_task_id: Any, request: Mapping[str, Any] | None, conn_id: str
) -> Iterator[None]:
    """For tasks that wait for or save what another one submitted: what fails is counted and pushed."""
    from kling_provider.exceptions import KlingError

    ti = context["ti"]
    try:
        with metrics.failures(dag_id=ti.dag_id):
            yield
    except KlingError as error:
        known = {key: request[key] for key in _SHOWN if key in request} if request else None
        value = {"request": known, "conn_id": conn_id, **failure(error, str(kling_task_id))}
        ti.xcom_push(key="kling", value=value)
        raise

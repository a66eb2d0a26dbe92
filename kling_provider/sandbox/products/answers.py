# SPDX-License-Identifier: Apache-2.0
"""How each API design describes a task: the ``data`` of creates, reads, lists and callbacks.

Shapes as recorded in 2025 and 2026; the fields of the price in the legacy design since 2026-01 as documented.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kling_provider.sandbox.http.messages import format_amount
from kling_provider.sandbox.products.outputs import Link, RenderedOutput, Sign, Value
from kling_provider.sandbox.state.tasks import Task, to_milliseconds

_LEGACY_STATES = {"succeeded": "succeed"}


def describe_standard_create(task: Task, *, echo: bool) -> dict[str, Any]:
    """Return ``data`` of a create: as recorded, with ``external_id`` only where one was sent."""
    return {
        "id": task.id,
        "status": "submitted",
        "message": "",
        "create_time": to_milliseconds(task.created),
        "update_time": to_milliseconds(task.created),
        **({"external_id": task.request.external_id} if echo and task.request.external_id else {}),
    }


def describe_standard_task(
    task: Task,
    made: Sequence[RenderedOutput],
    now: float,
    sign: Sign,
    *,
    echo: bool,
    status: str | None = None,
) -> dict[str, Any]:
    """Return one task of ``GET /tasks``; tasks of the legacy design come in the same shape (observed).

    :param status: a word in the place of the task's own state.
    """
    state = task.get_state(now)
    outputs: list[dict[str, Any]] = []
    billing: list[dict[str, str]] = []
    if state == "succeeded":
        outputs = [{"type": output.type, **_sign_links(task, output.standard, sign)} for output in made]
        billing = [
            {
                "charge_type": "unit",
                "amount": format_amount(task.price),
                "package_type": task.request.package,
            }
        ]
    elif state == "failed":
        billing = [{"amount": "0"}]  # observed
    return {
        "id": task.id,
        "status": status or state,
        "message": task.message if state == "failed" else "",
        "create_time": to_milliseconds(task.created),
        "update_time": to_milliseconds(task.get_update_time(now)),
        **({"external_id": task.request.external_id} if echo and task.request.external_id else {}),
        "outputs": outputs,
        "billing": billing,
    }


def describe_legacy_create(task: Task, *, echo: bool) -> dict[str, Any]:
    """Return ``data`` of a create; ``task_info`` is an empty object without an external id (recorded)."""
    return {
        "task_id": task.id,
        "task_status": "submitted",
        "task_info": _build_legacy_info(task, echo=echo),
        "created_at": to_milliseconds(task.created),
        "updated_at": to_milliseconds(task.created),
    }


def describe_legacy_task(
    task: Task,
    made: Sequence[RenderedOutput],
    now: float,
    sign: Sign,
    *,
    echo: bool,
    status: str | None = None,
) -> dict[str, Any]:
    """Return ``data`` of a query; a failure's reason is in ``task_status_msg`` alone (recorded)."""
    state = task.get_state(now)
    result: dict[str, list[Any]] = {}
    if state == "succeeded":
        for output in made:
            result.setdefault(output.legacy_list, []).append(_sign_links(task, output.legacy, sign))
    ended: dict[str, Any] = {}
    if state in ("succeeded", "failed"):
        ended["final_unit_deduction"] = format_amount(task.price) if state == "succeeded" else "0"
    if task.request.watermark:
        ended["watermark_info"] = {"enabled": True}
    # the answers of what is done at once have no task_info (documented)
    info = {} if task.request.answered_at_once else {"task_info": _build_legacy_info(task, echo=echo)}
    return {
        "task_id": task.id,
        "task_status": status or _LEGACY_STATES.get(state, state),
        **info,
        "task_result": result,
        "task_status_msg": task.message if state == "failed" else "",
        "created_at": to_milliseconds(task.created),
        "updated_at": to_milliseconds(task.get_update_time(now)),
        **ended,
    }


def describe_legacy_callback(
    task: Task, made: Sequence[RenderedOutput], now: float, sign: Sign
) -> dict[str, Any]:
    """Return a legacy callback: the bare object, whose result has every kind of list (recorded 2025-12)."""
    body = describe_legacy_task(task, made, now, sign, echo=True)
    if body["task_result"]:
        body["task_result"] = {"images": [], "videos": [], "audios": [], **body["task_result"]}
    return body


def _build_legacy_info(task: Task, *, echo: bool) -> dict[str, str]:
    return {"external_task_id": task.request.external_id} if echo and task.request.external_id else {}


def _sign_links(task: Task, fields: Mapping[str, Value], sign: Sign) -> dict[str, Any]:
    return {name: _sign_value(task, value, sign) for name, value in fields.items()}


def _sign_value(task: Task, value: Value, sign: Sign) -> Any:
    if isinstance(value, Link):
        return sign(task, value.name)
    if isinstance(value, str | int):
        return value
    if isinstance(value, Mapping):
        return _sign_links(task, value, sign)
    return [_sign_value(task, part, sign) for part in value]

# SPDX-License-Identifier: Apache-2.0
"""An answer's data -> :class:`KlingTask`, for both API designs and the gateways between.

``GET /tasks`` returns legacy-made tasks too, in the standard shape; gateways mix both. So one reader takes
either name of each field. Status words beyond Kling's own count only where the host is no Kling
(``lax_words``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from kling_provider.api.addresses import without_queries
from kling_provider.api.tasks import Billing, KlingTask, Output, TaskStatus

_WORDS = {
    "submitted": TaskStatus.SUBMITTED,
    "processing": TaskStatus.PROCESSING,
    "succeed": TaskStatus.SUCCEEDED,
    "succeeded": TaskStatus.SUCCEEDED,
    "failed": TaskStatus.FAILED,
}
_GATEWAY_WORDS = {
    **_WORDS,
    "queued": TaskStatus.SUBMITTED,
    "pending": TaskStatus.SUBMITTED,
    "not_start": TaskStatus.SUBMITTED,
    "running": TaskStatus.PROCESSING,
    "in_progress": TaskStatus.PROCESSING,
    "success": TaskStatus.SUCCEEDED,
    "completed": TaskStatus.SUCCEEDED,
    "failure": TaskStatus.FAILED,
}


class UnreadableTask(ValueError):
    """The data is no task: no id, or not an object."""


def parse_task(data: Any, *, lax_words: bool = False, kling_task_id: str | None = None) -> KlingTask:
    """Read one task.

    :param lax_words: also take the words of gateways, in any case.
    :param kling_task_id: the id that was asked for, for answers that do not repeat it.
    :raises UnreadableTask: where no id is found.
    """
    fields = _unwrap(data)
    task_id = _first(fields, "id", "task_id") or kling_task_id
    if not task_id or not isinstance(task_id, str | int):
        raise UnreadableTask("the answer names no task id")
    word = str(_first(fields, "status", "task_status") or "")
    known = _GATEWAY_WORDS.get(word.lower()) if lax_words else _WORDS.get(word)
    info = fields.get("task_info")
    external = info.get("external_task_id") if isinstance(info, Mapping) else None
    return KlingTask(
        kling_task_id=str(task_id),
        status=known or TaskStatus.UNKNOWN,
        status_word=word,
        message=_message(fields),
        external_task_id=_text(_first(fields, "external_id", "external_task_id") or external),
        outputs=tuple(_outputs(fields)),
        billing=tuple(_billing(fields)),
        created_at=_time(_first(fields, "create_time", "created_at", "submit_time")),
        updated_at=_time(_first(fields, "update_time", "updated_at", "finish_time")),
    )


def parse_tasks(data: Any, *, lax_words: bool = False) -> list[KlingTask]:
    """The tasks of ``GET /tasks`` (an array) or of a legacy list."""
    if not isinstance(data, list):
        raise UnreadableTask("the answer holds no list of tasks")
    return [parse_task(item, lax_words=lax_words) for item in data]


def parse_page(data: Any) -> tuple[list[KlingTask], str | None]:
    """A page of ``POST /tasks`` and the next cursor; with no hit Kling leaves both keys out."""
    if not isinstance(data, Mapping) or not {"result", "count", "has_more"} & data.keys():
        raise UnreadableTask("the answer holds no page of tasks")
    tasks = parse_tasks(data.get("result") or [])
    cursor = data.get("next_cursor") if data.get("has_more") else None
    if data.get("has_more") and not cursor:
        raise UnreadableTask("the answer says that there are more tasks, and not where")
    return tasks, str(cursor) if cursor else None


def _unwrap(data: Any) -> Mapping[str, Any]:
    """The object with the task's fields. new-api nests the native one inside its own ``data``."""
    if isinstance(data, list) and len(data) == 1:
        data = data[0]
    if not isinstance(data, Mapping):
        raise UnreadableTask("the answer holds no task")
    inner = data.get("data")
    if isinstance(inner, Mapping):
        native = _unwrap(inner)
        # The outer object knows the id that the gateway answers to, the inner one the results.
        return {**native, **{k: data[k] for k in ("id", "task_id") if data.get(k)}}
    return data


def _first(fields: Mapping[str, Any], *names: str) -> Any:
    for name in names:
        value = fields.get(name)
        if value not in (None, ""):
            return value
    return None


def _message(fields: Mapping[str, Any]) -> str:
    error = fields.get("error")
    if isinstance(error, Mapping):
        error = error.get("message")
    return without_queries(_first(fields, "task_status_msg", "message", "fail_reason") or error or "")


def _outputs(fields: Mapping[str, Any]) -> Iterable[Output]:
    given = fields.get("outputs")
    if isinstance(given, list):
        for item in _mappings(given):
            yield _output(str(item.get("type") or "video"), item)
        return
    result = fields.get("task_result")
    if isinstance(result, Mapping):
        for plural, kind in (("videos", "video"), ("images", "image"), ("audios", "audio")):
            for item in _mappings(result.get(plural)):
                yield _output(kind, item)
    elif isinstance(url := _first(fields, "url", "video_url"), str) and url.startswith("http"):
        # new-api puts the one address at the top and keeps no result object.
        yield Output("video", url=url)


def _output(kind: str, item: Mapping[str, Any]) -> Output:
    seconds = _decimal(_first(item, "duration", "mp3_duration", "duration_mp3"))
    return Output(
        type=kind,
        id=_text(item.get("id")),
        url=_text(_first(item, "url", "mp3_url", "url_mp3")),
        watermark_url=_text(item.get("watermark_url")),
        duration=float(seconds) if seconds is not None else None,
    )


def _billing(fields: Mapping[str, Any]) -> Iterable[Billing]:
    for item in _mappings(fields.get("billing")):
        if (amount := _decimal(item.get("amount"))) is not None:
            yield Billing(
                charge_type=_text(item.get("charge_type")),
                amount=amount,
                currency=_text(item.get("currency")),
                package_type=_text(item.get("package_type")),
                cash_type=_text(item.get("cash_type")),
                list_price=_decimal(item.get("list_price")),
            )
    if (units := _decimal(fields.get("final_unit_deduction"))) is not None:
        yield Billing("unit", units)
    cash = fields.get("final_balance_deduction")
    if isinstance(cash, Mapping) and (amount := _decimal(cash.get("quota"))) is not None:
        yield Billing("cash", amount, list_price=_decimal(cash.get("list_price")))


def _mappings(value: Any) -> Iterable[Mapping[str, Any]]:
    """The objects of a list; gateways write ``null`` where they have none."""
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def _text(value: Any) -> str | None:
    return str(value) if value not in (None, "") else None


def _decimal(value: Any) -> Decimal | None:
    try:
        number = Decimal(str(value)) if value not in (None, "") else None
    except InvalidOperation:
        return None
    return number if number is None or number.is_finite() else None


def _time(value: Any) -> datetime | None:
    """Milliseconds, or seconds where a gateway sends those (below 1e11), as UTC."""
    number = _decimal(value)
    if number is None or number <= 0:
        return None
    try:
        seconds = number if number < Decimal("1e11") else number / 1000
        return datetime.fromtimestamp(float(seconds), UTC)
    except (ArithmeticError, ValueError, OSError):
        return None

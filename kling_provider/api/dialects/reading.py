# SPDX-License-Identifier: Apache-2.0
"""An answer's data -> :class:`KlingTask`, for both API designs and the gateways between.

``GET /tasks`` returns legacy-made tasks too, in the standard shape; gateways mix both. So one reader takes
either name of each field. Status words beyond Kling's own count only where the host is no Kling
(``accepts_gateway_statuses``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from kling_provider.api.dialects.fields import (
    find_first,
    list_mappings,
    read_decimal,
    read_id,
    read_long_text,
    read_text,
    read_time,
    read_web_url,
)
from kling_provider.api.dialects.levels import Level, choose_deciding_level, read_levels
from kling_provider.api.output_facts import IMAGES
from kling_provider.api.redaction import clean_text, redact_urls
from kling_provider.api.tasks import Billing, KlingTask, Output, TaskStatus

#: The longest reason of a failure that is kept, in characters.
_LONGEST_REASON = 600
_LONGEST_WORD = 60
#: The most tasks in one answer: four of Kling's longest pages.
_MOST_TASKS = 2000


#: The lists of a legacy result, and the type of what they hold (Kling's API reference).
_LEGACY_LISTS = {
    "videos": "video",
    "images": "image",
    "series_images": "image",
    "audios": "audio",
    "elements": "element",
    "voices": "voice",
}


#: What the account keeps in its library.
_STORED = ("voice", "element")


class UnreadableTask(ValueError):
    """The data is no task: no id, not an object, or another task than the one that was asked for."""


def parse_task(
    data: Any, *, accepts_gateway_statuses: bool = False, kling_task_id: str | None = None
) -> KlingTask:
    """Parse one task.

    :param accepts_gateway_statuses: also accept the status words of gateways, in any case.
    :param kling_task_id: the id that was asked for. The answer must be about it; it may leave it out.
    :raises UnreadableTask: where no id is found, or another one.
    """
    levels = read_levels(data, accepts_gateway_statuses=accepts_gateway_statuses)
    if not levels:
        raise UnreadableTask("the response holds no task")
    external = next(filter(None, map(_read_external_id, levels)), None)
    state = choose_deciding_level(levels)
    status = state.status
    # Of those that say the same the innermost knows best: it is Kling's.
    inner_first = levels[::-1]
    known = sorted(inner_first, key=lambda level: level.status is not status)
    outputs = next(filter(None, map(_read_outputs, known)), [])
    if (
        accepts_gateway_statuses
        and not any(level.word for level in levels)
        and any(output.url for output in outputs)
    ):
        status = TaskStatus.SUCCEEDED  # some resellers leave the word of a finished task empty
    reason = next(filter(None, (level.failure_reason for level in known)), "")
    return KlingTask(
        kling_task_id=_choose_id(levels, kling_task_id, external),
        status=status,
        status_word=clean_text(state.word, _LONGEST_WORD),
        message=clean_text(redact_urls(reason), _LONGEST_REASON),
        external_task_id=external,
        outputs=tuple(outputs),
        billing=next(filter(None, (tuple(_read_billing(level.fields)) for level in known)), ()),
        created_at=_find_time(known, "create_time", "created_at", "submit_time"),
        updated_at=_find_time(known, "update_time", "updated_at", "finish_time"),
    )


def parse_tasks(data: Any, *, accepts_gateway_statuses: bool = False) -> tuple[list[KlingTask], int]:
    """Parse the tasks of ``GET /tasks`` (an array) or of a legacy list, and count the entries that cannot be read.

    :raises UnreadableTask: where the data are not a list, or a list that is too long.
    """
    if not isinstance(data, list):
        raise UnreadableTask("the response holds no list of tasks")
    if len(data) > _MOST_TASKS:
        raise UnreadableTask(f"the response holds {len(data)} tasks, more than were asked for")
    tasks = []
    for item in data:
        try:
            tasks.append(parse_task(item, accepts_gateway_statuses=accepts_gateway_statuses))
        except UnreadableTask:
            continue
    return tasks, len(data) - len(tasks)


def parse_page(data: Any) -> tuple[list[KlingTask], str | None]:
    """Parse a page of ``POST /tasks`` and the next cursor; without a hit Kling leaves both keys out.

    :raises UnreadableTask: where the data are not such a page.
    """
    if not isinstance(data, Mapping) or not {"result", "count", "has_more"} & data.keys():
        raise UnreadableTask("the response holds no page of tasks")
    tasks, _ = parse_tasks(data.get("result") or [])
    cursor = data.get("next_cursor") if data.get("has_more") else None
    if data.get("has_more") and not cursor:
        raise UnreadableTask("the response says that there are more tasks, and has no cursor to read them")
    return tasks, str(cursor) if cursor else None


def _choose_id(levels: list[Level], asked: str | None, external: str | None) -> str:
    ids = [one for level in levels for one in level.task_ids]
    if asked is None:
        if not ids:
            raise UnreadableTask("the response names no task id")
        return ids[0]
    if not ids or asked in ids:
        return asked
    if external == asked:  # legacy reads take an external id in the same place
        return ids[0]
    raise UnreadableTask(
        f"the response is about task {ids[0][:60]}, and not about the one that was asked for"
    )


def _read_external_id(level: Level) -> str | None:
    info = level.fields.get("task_info")
    within = info.get("external_task_id") if isinstance(info, Mapping) else None
    return read_text(find_first(level.fields, "external_id", "external_task_id") or within)


def _find_time(levels: Iterable[Level], *names: str) -> Any:
    moments = (read_time(find_first(level.fields, *names)) for level in levels)
    return next((moment for moment in moments if moment is not None), None)


def _read_outputs(level: Level) -> list[Output]:
    fields = level.fields
    found = [
        _add_images(
            _read_output("video" if item.get("type") is None else read_text(item["type"]) or "unknown", item),
            item,
        )
        for item in list_mappings(fields.get("outputs"))
    ]
    result = fields.get("task_result")
    if isinstance(result, Mapping):
        for plural, kind in _LEGACY_LISTS.items():
            for item in sorted(list_mappings(result.get(plural)), key=_read_index):
                found += _read_legacy_outputs(kind, item)
    if found:
        return found
    metadata = fields.get("metadata")
    addresses = [fields.get(name) for name in ("result_url", "url", "video_url")]
    addresses.append(metadata.get("url") if isinstance(metadata, Mapping) else None)
    if level.status is TaskStatus.SUCCEEDED:
        addresses.append(fields.get("fail_reason"))  # where older new-api keeps the link of a success
    url = next((link for address in addresses if (link := read_web_url(address))), None)
    return [Output("video", url=url)] if url else []


def _read_index(item: Mapping[str, Any]) -> Decimal:
    """Return the place of an entry among its like; entries without one keep their order."""
    return read_decimal(item.get("index")) or Decimal(0)


def _read_legacy_outputs(kind: str, item: Mapping[str, Any]) -> list[Output]:
    """Read one entry of a legacy result: as a rule one output, of a multi-image element up to three images."""
    urls = [url for number in (1, 2, 3) if (url := read_long_text(item.get(f"url_{number}")))]
    return [Output(kind, url=url) for url in urls] or [_add_images(_read_output(kind, item), item)]


def _add_images(output: Output, item: Mapping[str, Any]) -> Output:
    """Add the links to an element's images: the frontal one first, in the form of either library."""
    if output.type != "element":
        return output
    within = item.get("element_image_list")
    images = within if isinstance(within, Mapping) else {}
    others = [*list_mappings(images.get("refer_images")), *list_mappings(item.get("element_refer_list"))]
    links = [images.get("frontal_image"), item.get("element_frontal_image")]
    links += [one.get("image_url") for one in others]
    known = [url for link in links if (url := read_web_url(link))]
    return replace(output, details={**(output.details or {}), IMAGES: known}) if known else output


def _read_output(kind: str, item: Mapping[str, Any]) -> Output:
    if kind in _STORED:
        return read_stored_item(kind, item)
    seconds = read_decimal(find_first(item, "duration", "mp3_duration", "duration_mp3"))
    return Output(
        type=kind,
        id=read_text(find_first(item, "id", "element_id", "voice_id")),
        url=read_long_text(find_first(item, "url", "mp3_url", "url_mp3", "trial_url")),
        watermark_url=read_long_text(item.get("watermark_url")),
        duration=float(seconds) if seconds is not None else None,
        group_id=read_text(item.get("group_id")),
    )


def read_stored_item(kind: str, item: Mapping[str, Any]) -> Output:
    """Read a voice or an element of the account's library; its id is that by which later requests use it.

    Its details have what the answer tells of ``name``, ``description``, ``owned_by`` and ``status``.

    :param kind: ``voice`` or ``element``; both API designs have names of their own for its facts.
    """
    details = {
        "name": read_text(find_first(item, "name", f"{kind}_name")),
        "description": read_text(find_first(item, "description", f"{kind}_description")),
        "owned_by": read_text(item.get("owned_by")),
        "status": read_text(item.get("status")),
    }
    return Output(
        type=kind,
        id=read_id(find_first(item, f"{kind}_id", "id")),
        url=read_long_text(find_first(item, "url", "trial_url")),
        details={name: value for name, value in details.items() if value is not None} or None,
    )


def _read_billing(fields: Mapping[str, Any]) -> Iterable[Billing]:
    for item in list_mappings(fields.get("billing")):
        if (amount := read_decimal(item.get("amount"))) is not None:
            yield Billing(
                charge_type=read_text(item.get("charge_type")),
                amount=amount,
                currency=read_text(item.get("currency")),
                package_type=read_text(item.get("package_type")),
                cash_type=read_text(item.get("cash_type")),
                list_price=read_decimal(item.get("list_price")),
            )
    if (units := read_decimal(fields.get("final_unit_deduction"))) is not None:
        yield Billing("unit", units)
    cash = fields.get("final_balance_deduction")
    if isinstance(cash, Mapping) and (amount := read_decimal(cash.get("quota"))) is not None:
        yield Billing("cash", amount, list_price=read_decimal(cash.get("list_price")))

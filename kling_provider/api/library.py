# SPDX-License-Identifier: Apache-2.0
"""The account's library of voices and elements: its calls, and its rows.

A row's id is that by which requests use the voice or element; the task that made it has another one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeVar

from kling_provider.api.calls import ApiRequest
from kling_provider.api.codes import ApiResponse
from kling_provider.api.dialects.fields import (
    find_first,
    list_mappings,
    read_id,
    read_long_text,
    read_text,
    read_time,
)
from kling_provider.api.dialects.legacy import list_page
from kling_provider.api.dialects.reading import UnreadableTask

#: How Kling says that there is nothing left to delete (observed; code 1201, "… already be deleted").
_GONE = re.compile(r"already (?:be |been |is )?deleted", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class LibraryVoice:
    """A voice that the account keeps, or that Kling offers to all. ``None`` where Kling does not tell.

    :param id: what requests take as ``voice_id``.
    :param name: what it was called when it was made.
    :param trial_url: a signed link with which anybody can listen: never log it.
    :param owned_by: ``kling`` for a preset, else the account.
    :param status: in Kling's words.
    :param kling_task_id: the task that made it.
    :param created_at: when that task was made, in UTC.
    """

    id: str
    name: str | None = None
    trial_url: str | None = field(default=None, repr=False)
    owned_by: str | None = None
    status: str | None = None
    kling_task_id: str | None = None
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LibraryElement:
    """A character or thing that the account keeps, or that Kling offers to all. ``None`` where Kling does not tell.

    :param id: what requests take as ``element_id``.
    :param name: what it was called when it was made.
    :param description: what it looks like.
    :param reference_type: what it was made from: ``image_refer`` or ``video_refer``.
    :param tags: Kling's marks of what it is: ``o_101`` to ``o_108``.
    :param voice: the voice with which it speaks.
    :param owned_by: ``kling`` for a preset, else the account.
    :param status: ``succeed``, or ``deleted``.
    :param kling_task_id: the task that made it; the older library has none.
    :param created_at: when that task was made, in UTC.
    """

    id: str
    name: str | None = None
    description: str | None = None
    reference_type: str | None = None
    tags: tuple[str, ...] = ()
    voice: LibraryVoice | None = None
    owned_by: str | None = None
    status: str | None = None
    kling_task_id: str | None = None
    created_at: datetime | None = None


Entry = TypeVar("Entry", LibraryVoice, LibraryElement)


@dataclass(frozen=True, slots=True)
class Shelf(Generic[Entry]):
    """A part of the library.

    :param what: its entries, for messages.
    :param own: where the account's own are listed.
    :param presets: where Kling's are listed.
    :param key: the list of a task's result that holds them.
    :param read: makes a row of an entry and its task.
    """

    what: str
    own: str
    presets: str
    key: str
    read: Callable[[Mapping[str, Any], Mapping[str, Any]], Entry | None]

    def list_page(self, page: int, *, presets: bool) -> ApiRequest:
        """Return the call that lists one page."""
        return list_page(self.presets if presets else self.own, page)

    def parse_page(self, data: Any) -> tuple[list[Entry], int]:
        """Parse the rows of one page, and count the entries of the answer; tasks that made nothing have no row.

        :raises UnreadableTask: where the data are no list.
        """
        if not isinstance(data, list):
            raise UnreadableTask(f"the response holds no list of {self.what}")
        rows = [row for item in data if isinstance(item, Mapping) for row in self._read_rows(item)]
        return rows, len(data)

    def _read_rows(self, item: Mapping[str, Any]) -> Iterator[Entry]:
        result = item.get("task_result")
        # The older library lists its elements as they are, without a task around each.
        entries = list_mappings(result.get(self.key)) if isinstance(result, Mapping) else [item]
        for entry in entries:
            row = self.read(entry, item)
            if row is not None:
                yield row


def _read_voice(entry: Mapping[str, Any], task: Mapping[str, Any]) -> LibraryVoice | None:
    found = read_id(find_first(entry, "voice_id", "id"))
    if found is None:
        return None
    return LibraryVoice(
        id=found,
        name=read_text(find_first(entry, "voice_name", "name")),
        trial_url=read_long_text(find_first(entry, "trial_url", "url")),
        owned_by=read_text(entry.get("owned_by")),
        status=read_text(entry.get("status")),
        kling_task_id=read_id(task.get("task_id")),
        created_at=read_time(task.get("created_at")),
    )


def _read_element(entry: Mapping[str, Any], task: Mapping[str, Any]) -> LibraryElement | None:
    found = read_id(find_first(entry, "element_id", "id"))
    if found is None:
        return None
    voice = entry.get("element_voice_info")
    tags = (
        read_text(find_first(tag, "tag_id", "id", "name")) for tag in list_mappings(entry.get("tag_list"))
    )
    return LibraryElement(
        id=found,
        name=read_text(find_first(entry, "element_name", "name")),
        description=read_text(find_first(entry, "element_description", "description")),
        reference_type=read_text(entry.get("reference_type")),
        tags=tuple(tag for tag in tags if tag is not None),
        voice=_read_voice(voice, {}) if isinstance(voice, Mapping) else None,
        owned_by=read_text(entry.get("owned_by")),
        status=read_text(entry.get("status")),
        kling_task_id=read_id(task.get("task_id")),
        created_at=read_time(task.get("created_at")),
    )


VOICES: Shelf[LibraryVoice] = Shelf(
    "voices", "/v1/general/custom-voices", "/v1/general/presets-voices", "voices", _read_voice
)
ELEMENTS: Shelf[LibraryElement] = Shelf(
    "elements",
    "/v1/general/advanced-custom-elements",
    "/v1/general/advanced-presets-elements",
    "elements",
    _read_element,
)
#: A library of its own, in the form of early 2026. It is not known whether Kling still serves it.
OLD_ELEMENTS: Shelf[LibraryElement] = Shelf(
    "elements of the older library",
    "/v1/general/custom-elements",
    "/v1/general/presets-elements",
    "elements",
    _read_element,
)


def delete_voice(voice_id: str) -> ApiRequest:
    """Return the call that deletes one of the account's own voices."""
    return ApiRequest("POST", "/v1/general/delete-voices", json={"voice_id": voice_id})


def delete_element(element_id: str) -> ApiRequest:
    """Return the call that deletes one of the account's own elements."""
    return ApiRequest("POST", "/v1/general/delete-advanced-elements", json={"element_id": element_id})


def says_gone(answer: ApiResponse) -> bool:
    """Tell whether the answer to a deletion says that it was deleted before. Only the text says so."""
    return answer.code == 1201 and bool(_GONE.search(answer.message))

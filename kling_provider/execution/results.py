# SPDX-License-Identifier: Apache-2.0
"""Results of other tasks, as inputs of a request take them: which outputs there are, and what of each can still be used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from kling_provider.api.output_types import SUFFIXES_OF_TYPES, TYPES_WITHOUT_FILES, find_family
from kling_provider.api.redaction import redact_urls, shorten
from kling_provider.api.request_types.spec import SESSION_LIFE
from kling_provider.api.result_facts import parse_time

#: Ids of these live in the account's library, those of other outputs as long as their task, or as the session that they are of.
_LIBRARY = ("element", "voice")
#: Kling fetches a link, or looks up an id, some time after the call.
_SPARE = timedelta(minutes=10)
#: The shortest Kling task id of digits: what KlingSubmitOperator pushes.
_SHORTEST_ID = 9


class NoResult(Exception):
    """A value is no result that an input can take; the text follows the field's name."""


@dataclass(frozen=True, kw_only=True)
class ResultOutput:
    """One output of a finished Kling task.

    :param number: its place among the outputs of its task, from 1.
    :param count: how many outputs the task has, if that is known.
    :param made_by: the type of the request, if that is known; the legacy API reads by it.
    :param conn_id: the connection by which it was made, if that is known.
    :param has_own_id: no other output of its task has the same id.
    """

    kling_task_id: str
    number: int
    type: str
    id: str | None = None
    url: str | None = field(default=None, repr=False)
    file: str | None = None
    duration: float | None = None
    finished_at: datetime | None = None
    expires_at: datetime | None = None
    conn_id: str | None = None
    made_by: str | None = None
    count: int | None = None
    has_own_id: bool = True

    @property
    def kind(self) -> str | None:
        """Return ``image``, ``video`` or ``audio``; ``None`` for what is no medium."""
        family = find_family(self.type)
        return family if family in ("image", "video", "audio") else None

    @property
    def formats(self) -> tuple[str, ...]:
        """Return the formats in which such an output may come."""
        suffixes = () if self.type in TYPES_WITHOUT_FILES else SUFFIXES_OF_TYPES.get(self.type, ())
        return tuple(suffix.removeprefix(".") for suffix in suffixes)

    @property
    def identity(self) -> str:
        """Return what stands for it in the identity of a request, whatever of it is sent: its id, else task and place."""
        if self.id is not None and self.has_own_id:
            return f"kling-output:{self.id}"
        return f"kling-task:{self.kling_task_id}/{self.number}"

    @property
    def shown(self) -> str:
        """Return it in words: ``output 1 of Kling task 8581… (/videos/boat.mp4)``."""
        file = f" ({self.shown_file})" if self.file else ""
        return f"output {self.number} of Kling task {self.kling_task_id}{file}"

    @property
    def shown_file(self) -> str:
        """Return the path of its file, fit to be shown."""
        return shorten(redact_urls(self.file or "").removeprefix("file://"))

    def is_alive(self, now: datetime) -> bool:
        """Tell whether its link may still be used."""
        return self.expires_at is None or now + _SPARE < self.expires_at

    def is_id_alive(self, now: datetime) -> bool:
        """Tell whether Kling still knows its id: 30 days, a session 24 h, a voice or an element until it is deleted."""
        return self.type in _LIBRARY or self.id_dies_at is None or now + _SPARE < self.id_dies_at

    @property
    def id_dies_at(self) -> datetime | None:
        """Return until when Kling knows its id; ``None`` where that is not known."""
        if self.type == "session" and self.finished_at is not None:
            return self.finished_at + SESSION_LIFE
        return self.expires_at


def is_task_id(value: object) -> bool:
    """Tell whether a text is the id of a Kling task, as KlingSubmitOperator pushes it, and neither path, URL nor base64."""
    return isinstance(value, str) and value.isascii() and value.isdigit() and _SHORTEST_ID <= len(value) <= 24


def is_result(value: object) -> bool:
    """Tell whether a value is a result, one output of it, an explicit choice among its outputs, or names a Kling task."""
    if not isinstance(value, Mapping):
        return False
    return "kling_task_id" in value or ("result" in value and set(value) <= {"result", "output"})


def split_choice(value: Any) -> tuple[Any, int | None]:
    """Return a result and which of its outputs is meant: ``{"result": …, "output": 2}`` says so, from 1.

    :raises NoResult: where the number is none.
    """
    if not (isinstance(value, Mapping) and "result" in value and set(value) <= {"result", "output"}):
        return value, None
    number = value.get("output")
    if isinstance(number, str) and number.strip().isdigit():  # what Jinja renders
        number = int(number)
    if number is not None and (isinstance(number, bool) or not isinstance(number, int) or number < 1):
        raise NoResult(f"must have a whole number from 1 as output; found {number!r:.40}")
    return value["result"], number


def read_outputs_of(result: Mapping[str, Any]) -> list[ResultOutput]:
    """Read the outputs of a result, as KlingGenerateOperator, KlingTaskSensor and KlingDownloadOperator push it.

    :param result: the result, or one of its outputs.
    :raises NoResult: where it is another one, or has not succeeded.
    """
    if not isinstance(result.get("outputs"), list):
        return [_read_output(result, result, _read_number(result.get("number")), None)]
    status = result.get("status")
    if status not in (None, "succeeded"):
        raise NoResult(f"must be a finished result; Kling task {result['kling_task_id']} is {status!s:.40}")
    outputs = [one for one in result["outputs"] if isinstance(one, Mapping)]
    ids = [one.get("id") for one in outputs]
    return [
        _read_output(one, result, number, len(outputs), has_own_id=ids.count(one.get("id")) == 1)
        for number, one in enumerate(outputs, 1)
    ]


def _read_output(
    output: Mapping[str, Any],
    result: Mapping[str, Any],
    number: int,
    count: int | None,
    *,
    has_own_id: bool = True,
) -> ResultOutput:
    def find(name: str) -> Any:
        return output.get(name) or result.get(name)

    duration = output.get("duration")
    return ResultOutput(
        kling_task_id=str(result["kling_task_id"]),
        number=number,
        count=count,
        type=str(output.get("type") or "video"),
        id=str(output["id"]) if output.get("id") else None,
        has_own_id=has_own_id and not output.get("shares_id"),
        url=output.get("url"),
        file=output.get("file"),
        duration=float(duration) if isinstance(duration, int | float) else None,
        finished_at=parse_time(find("finished_at")),
        expires_at=parse_time(find("expires_at")),
        conn_id=find("conn_id"),
        made_by=result.get("type") if result is not output else output.get("made_by"),
    )


def _read_number(value: object) -> int:
    """Read which output of its task one is; a text of a host that numbers otherwise counts as the first."""
    text = str(value or 1)
    return max(1, int(text)) if text.isascii() and text.isdigit() else 1

# SPDX-License-Identifier: Apache-2.0
"""What many types have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

IMAGE = "https://example.org/a.png"
VIDEO = "https://example.org/a.mp4"
SOUND = "https://example.org/a.mp3"
HOOK = "https://example.org/hook"


@dataclass(frozen=True)
class Measured:
    """A request beside facts that a worker measures: seconds of inputs, and when a face is seen, in milliseconds."""

    request: dict[str, Any]
    seconds: dict[str, float] | None = None
    face: tuple[int, int] | None = None


def write_as_given(key: str) -> Any:
    """Write a value under another key."""

    def write(request: dict[str, Any], value: Any) -> None:
        request[key] = value

    return write


def write_parts(key: str, within: str, **more: Any) -> Any:
    """Write a value, or each of several, as a field of the parts of a list; ``{n}`` in a text becomes its number."""

    def write(request: dict[str, Any], value: Any) -> None:
        if value is None:
            request.pop(key, None)
            return
        values = value if isinstance(value, list) else [value]
        request[key] = [
            {
                **{name: one.format(n=number) if isinstance(one, str) else one for name, one in more.items()},
                within: given,
            }
            for number, given in enumerate(values, 1)
        ]

    return write


def change_part(key: str, within: str) -> Any:
    """Change a field of the first part of a list that stands in the request already."""

    def write(request: dict[str, Any], value: Any) -> None:
        parts = [dict(part) for part in request.get(key) or [{}]]
        parts[0][within] = value
        if value is None:
            del parts[0][within]
        request[key] = parts

    return write


def write_list(key: str) -> Any:
    """Write a value, or several, as a list."""

    def write(request: dict[str, Any], value: Any) -> None:
        request[key] = value if isinstance(value, list) or value is None else [value]

    return write


def keep_base(request: dict[str, Any], value: Any) -> None:
    """Write nothing: what stands beside the field has it already."""


OPEN: dict[tuple[str, str], str] = {
    ("", "model"): "models appear and retire without notice",
}

#: What Kling requires, and we write where it is left out.
CONVENIENCES: dict[tuple[str, str, str], str] = {}

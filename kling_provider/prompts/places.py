# SPDX-License-Identifier: Apache-2.0
"""Where something stands in a prompt file: the mapping as it was written, and the line of each of its keys."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from kling_provider.prompts.request_fields import get_canonical_key

if TYPE_CHECKING:
    from kling_provider.prompts.find import AnyPath

#: The way to a value in a document: ``("prompts", 2, "duration")``.
Keys = tuple[str | int, ...]


class Lines:
    """The line of each key of a document, found only when it is asked for (that is, when something is wrong)."""

    def __init__(self, find: Callable[[], Mapping[Keys, int]]) -> None:
        self._find = find

    @cached_property
    def _lines_by_keys(self) -> Mapping[Keys, int]:
        return self._find()

    def find_line(self, keys: Keys) -> int | None:
        """Find the line of the value at ``keys``, or of the nearest thing around it."""
        while keys not in self._lines_by_keys and keys:
            keys = keys[:-1]
        return self._lines_by_keys.get(keys)

    def narrow_to(self, *keys: str | int) -> Lines:
        """Return the lines of the part of the document at ``keys``."""
        size = len(keys)
        return Lines(
            lambda: {path[size:]: line for path, line in self._lines_by_keys.items() if path[:size] == keys}
        )

    @classmethod
    def of_one(cls, line: int | None) -> Lines:
        """Return the lines of something that stands in one line, or in a file as a whole (``None``)."""
        return cls(lambda: {} if line is None else {(): line})


@dataclass(frozen=True, slots=True)
class Section:
    """A mapping as it was written: one entry, or defaults.

    :param data: its keys and values, in either spelling.
    :param lines: the lines of its keys.
    :param file: the path of its file, as messages name it.
    :param folder: the folder of its file, in which relative inputs lie.
    :param is_body: whether the prompt is the body of a Markdown file: a line of it is a line of the file, and its line breaks
        are spaces.
    """

    data: Mapping[str, Any]
    lines: Lines
    file: str
    folder: AnyPath
    is_body: bool = False

    @property
    def file_suffix(self) -> str:
        """Return the suffix of its file, in lower case."""
        return PurePosixPath(self.file).suffix.lower()


@dataclass(frozen=True, slots=True)
class Value:
    """One key's value, and where it stands: at ``keys`` of ``section``."""

    value: Any
    section: Section
    keys: Keys


#: What is asked for, by key (in either spelling).
Fields = Mapping[str, Value]


def find_origin(field: str, fields: Fields, own: Section) -> Value:
    """Find where the value of a field was written: in either spelling, in the entry or in its defaults.

    :param field: the field, with dots between the keys of nested ones.
    :param fields: the fields of the entry, with its defaults.
    :param own: the entry itself, which is returned for a field that was not written.
    """
    type_ = fields["type"].value if "type" in fields else None
    head, *rest = [field] if field in fields else field.split(".")
    for key, value in fields.items():
        if head in (key, get_canonical_key(key, type_)):
            below = tuple(int(part) if part.isascii() and part.isdigit() else part for part in rest)
            return Value(value.value, value.section, (*value.keys, *below))
    return Value(None, own, ())

# SPDX-License-Identifier: Apache-2.0
"""Step 3: entries -> entries with what their defaults say for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from kling_provider.prompts.find import PromptFile
from kling_provider.prompts.places import Fields, Section, Value
from kling_provider.prompts.problems import Problems, PromptProblem
from kling_provider.prompts.read import FileContent
from kling_provider.prompts.request_fields import (
    KEYS_OF_ONE_TASK,
    get_canonical_key,
    get_keys_of_other_types,
    is_same_field,
)


@dataclass(frozen=True, slots=True)
class PromptEntry:
    """One entry of a file, with its defaults.

    :param own: the entry as its author wrote it.
    :param fields: its values, and those of its defaults where it has none.
    :param stem: the path of its file without the suffix.
    :param shares_file: whether its file is of a form that holds several entries.
    """

    own: Section
    fields: Fields
    stem: str
    shares_file: bool

    @property
    def type(self) -> Any:
        """Return the type that is asked for, as it was written; ``None`` where none is."""
        written = self.fields.get("type")
        return None if written is None else written.value


def apply_defaults(contents: Sequence[FileContent], problems: Problems) -> list[PromptEntry]:
    """Merge each entry with the defaults of its file and of its folders; the inner ones win.

    :param contents: what the files hold, those of defaults included.
    :param problems: gets a second file of defaults in one folder.
    """
    by_folder = _collect_folder_defaults(contents, problems)
    entries = []
    for content in contents:
        if content.file.is_defaults:
            continue
        around = [by_folder[folder] for folder in _list_folders(content.file) if folder in by_folder]
        if content.defaults is not None:
            around.append(content.defaults)
        for own in content.entries:
            fields = _merge_fields(own, around)
            entries.append(PromptEntry(own, fields, content.file.stem, content.holds_several))
    return entries


def _collect_folder_defaults(contents: Sequence[FileContent], problems: Problems) -> dict[str, Section]:
    found: dict[str, Section] = {}
    for content in contents:
        if not content.file.is_defaults:
            continue
        folder = _list_folders(content.file)[-1]
        if folder in found:
            wrong = f"must be the only defaults of its folder, which has {found[folder].file} as well; keep one of them"
            problems.add_problem(PromptProblem("", None, wrong, content.file.shown))
        elif content.defaults is not None:
            found[folder] = content.defaults
    return found


def _list_folders(file: PromptFile) -> list[str]:
    """List the folders around a file, outermost first: ``["", "a", "a/b"]``."""
    parents = [str(parent) for parent in PurePosixPath(file.relative).parents]
    return ["" if parent == "." else parent for parent in reversed(parents)]


def _merge_fields(own: Section, around: Sequence[Section]) -> Fields:
    """Merge the fields of ``own`` with the defaults in ``around`` (outermost first) that its type has."""
    type_ = own.data.get("type") or _find_inherited(around, "type")
    elsewhere = get_keys_of_other_types(type_)
    found: dict[str, Value] = {}
    for section in (*around, own):
        for key, value in section.data.items():
            if value is None:
                continue
            if section is not own:
                if key in ("name", *KEYS_OF_ONE_TASK) or get_canonical_key(key, type_) in elsewhere:
                    continue
                if key == "matrix" and isinstance(value, Mapping):
                    value = {
                        name: items
                        for name, items in value.items()
                        if get_canonical_key(name, type_) not in elsewhere
                    }
            for other in [one for one in found if is_same_field(one, key, type_)]:
                if found[other].section is not section:
                    del found[other]
            found[key] = Value(value, section, (key,))
    return found


def _find_inherited(around: Sequence[Section], key: str) -> Any:
    return next((one.data[key] for one in reversed(around) if one.data.get(key) is not None), None)

# SPDX-License-Identifier: Apache-2.0
"""An entry with its defaults, and the several films that it may ask for."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kling_provider.api.problems import Problem, suggest, unknown_key
from kling_provider.api.requests import KINDS, Request
from kling_provider.api.spelling import ours
from kling_provider.api.values import whole_number
from kling_provider.prompts.problems import Keys
from kling_provider.prompts.reading import KNOWN_KEYS, SEVERAL, Part

#: Against a slip of the finger: each of them is a paid video.
_MAX_VARIANTS = 100
_MAX_OF_ONE = 1000

_ONE_EACH = ("external_task_id", "adopt")
_NOT_IN_MATRIX = ("type", "name", "take", *_ONE_EACH)


@dataclass(frozen=True, slots=True)
class Value:
    """One key's value, and where it stands: at ``keys`` of ``part``."""

    value: Any
    part: Part
    keys: Keys


Settings = dict[str, Value]


def settings_of(own: Part, defaults: Sequence[Part]) -> Settings:
    """What ``own`` says, and what it leaves out as its defaults say it (outermost first)."""
    kind = kind_of(own.data.get("type") or _inherited(defaults, "type"))
    elsewhere = {key for other in KINDS.values() for key in other.model_fields} - set(kind.model_fields)
    found: Settings = {}
    for part in (*defaults, own):
        for key, value in part.data.items():
            if value is None or (part is not own and (key in ("name", *_ONE_EACH) or ours(key) in elsewhere)):
                continue
            if part is not own and key == "matrix" and isinstance(value, Mapping):
                value = {name: items for name, items in value.items() if ours(name) not in elsewhere}
            for same in [
                other for other in found if ours(other) == ours(key) and found[other].part is not part
            ]:
                del found[same]
            found[key] = Value(value, part, (key,))
    return found


def kind_of(type_: object) -> type[Request]:
    """The kind of a ``type``; one that does not exist is said to be wrong elsewhere."""
    return KINDS.get(str(type_), KINDS["text_to_video"])


def _inherited(defaults: Sequence[Part], key: str) -> Any:
    return next((part.data[key] for part in reversed(defaults) if part.data.get(key) is not None), None)


@dataclass(frozen=True, slots=True)
class Film:
    """One of the films of an entry: its settings, what of them a matrix chose, and how many takes on."""

    settings: Settings
    chosen: Mapping[str, Any]
    more_takes: int


def films_of(settings: Settings, own: Part) -> tuple[list[Film], list[Problem]]:
    """Every combination of ``matrix``, each with every take of ``variants``; and what is wrong with these two."""
    problems = _misspelt(settings)
    rest = {key: value for key, value in settings.items() if key not in SEVERAL}
    for problem in problems:
        rest.pop(problem.field, None)
    variants = _variants(settings, problems)
    matrix = _matrix(settings, own, problems)
    if (count := variants * math.prod(map(len, matrix.values()))) > _MAX_OF_ONE:
        key = "matrix" if matrix else "variants"
        wrong = f"makes more than {_MAX_OF_ONE} videos of one entry"
        if matrix and variants > 1:
            wrong += f": {count:,}, with {variants} variants of each combination"
        problems.append(Problem(key, None, wrong))
        variants, matrix = 1, {}
    films = []
    for combination in itertools.product(*matrix.values()):
        chosen = dict(zip(matrix, combination, strict=True))
        covered = {ours(key) for key in chosen}
        kept = {key: value for key, value in rest.items() if ours(key) not in covered}
        for take in range(variants):
            films.append(Film(kept | chosen, {key: item.value for key, item in chosen.items()}, take))
    if len(films) > 1:
        for key in _ONE_EACH:
            if (value := rest.get(key)) and value.value != "":
                problems.append(
                    Problem(key, value.value, "is one task's own; it cannot go with variants or matrix")
                )
    return films, problems


def _misspelt(settings: Settings) -> list[Problem]:
    known = KNOWN_KEYS - set(SEVERAL)
    return [
        Problem(key, value.value, f"no such key.{near}")
        for key, value in settings.items()
        if key not in KNOWN_KEYS and not suggest(key, known) and (near := suggest(key, SEVERAL))
    ]


def _variants(settings: Settings, problems: list[Problem]) -> int:
    asked = settings.get("variants")
    if asked is None:
        return 1
    number = whole_number(asked.value) or 0
    if 1 <= number <= _MAX_VARIANTS:
        return number
    problems.append(Problem("variants", asked.value, f"is a whole number from 1 to {_MAX_VARIANTS}"))
    return 1


def _matrix(settings: Settings, own: Part, problems: list[Problem]) -> dict[str, list[Value]]:
    asked = settings.get("matrix")
    if asked is None:
        return {}
    if not isinstance(asked.value, Mapping):
        wrong = 'is a mapping of keys to lists, such as {aspect_ratio: ["16:9", "9:16"]}'
        problems.append(Problem("matrix", asked.value, wrong))
        return {}
    known = {key for kind in KINDS.values() for key in kind.model_fields}
    allowed = [key for key in sorted(known) if key not in _NOT_IN_MATRIX]
    found: dict[str, list[Value]] = {}
    for key, items in asked.value.items():
        field = f"matrix.{key}"
        if ours(key) not in allowed:
            wrong = "cannot be in a matrix" if key in known else unknown_key(key, None, allowed).message
            problems.append(Problem(field, None, wrong))
        elif not isinstance(items, list) or not items or any(item is None for item in items):
            problems.append(Problem(field, items, "is a list of values"))
        elif any(ours(other) == ours(key) for other in own.data if own.data[other] is not None):
            if asked.part is own:  # else the entry has the last word over a matrix among its defaults
                wrong = f"{ours(key)} stands beside the matrix as well; write it once"
                problems.append(Problem(field, None, wrong))
        else:
            found[key] = [Value(item, asked.part, (*asked.keys, key, at)) for at, item in enumerate(items)]
    return found

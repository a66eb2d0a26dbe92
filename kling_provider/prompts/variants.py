# SPDX-License-Identifier: Apache-2.0
"""Step 4: an entry -> the variants that it asks for, each with its name."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kling_provider.api.problems import Problem, unknown_key
from kling_provider.api.suggestions import suggest
from kling_provider.api.values import parse_whole_number
from kling_provider.prompts import naming
from kling_provider.prompts.defaults import PromptEntry
from kling_provider.prompts.places import Fields, Value
from kling_provider.prompts.problems import Problems
from kling_provider.prompts.request_fields import (
    KEYS_OF_ONE_TASK,
    VARIANT_KEYS,
    get_canonical_key,
    get_known_keys,
    get_request_keys,
    is_same_field,
)

#: A guard against mistakes: each of them is a paid result.
_MAX_VARIANTS = 100
_MAX_OF_ONE = 1000

_NOT_IN_MATRIX = ("type", "name", "take", *KEYS_OF_ONE_TASK)


@dataclass(frozen=True, slots=True)
class Variant:
    """One of the requests that an entry asks for.

    :param entry: the entry.
    :param fields: what is asked for, with the values that a matrix chose.
    :param name: its name; ``None`` where what was written cannot be one.
    :param more_takes: how many takes after the entry's own it is.
    """

    entry: PromptEntry
    fields: Fields
    name: str | None
    more_takes: int


def expand_variants(entries: Sequence[PromptEntry], problems: Problems) -> list[Variant]:
    """Expand each entry into the combinations of its ``matrix``, each with every take of its ``variants``.

    :param entries: the entries, with their defaults.
    :param problems: gets what is wrong with these two keys, and with names.
    """
    return [variant for entry in entries for variant in _expand_entry(entry, problems)]


def _expand_entry(entry: PromptEntry, problems: Problems) -> Iterator[Variant]:
    wrong = _find_misspelt(entry.fields)
    misspelt = {problem.field for problem in wrong}
    rest = {key: item for key, item in entry.fields.items() if key not in (*VARIANT_KEYS, *misspelt)}
    variants = _read_variants(entry.fields, wrong)
    matrix = _read_matrix(entry, wrong)
    if (count := variants * math.prod(map(len, matrix.values()))) > _MAX_OF_ONE:
        wrong.append(_say_too_many(count, variants, matrix))
        variants, matrix, count = 1, {}, 1
    if count > 1:
        wrong += [
            Problem(key, item.value, "must not be used with variants or matrix: it belongs to one task")
            for key in KEYS_OF_ONE_TASK
            if (item := rest.get(key)) and item.value != ""
        ]
    name = _name_entry(entry, wrong)
    problems.add_for_fields(wrong, entry.fields, entry.own)
    for combination in itertools.product(*matrix.values()):
        chosen = dict(zip(matrix, combination, strict=True))
        full = _name_combination(name, chosen, entry, problems)
        kept = {
            key: item
            for key, item in rest.items()
            if not any(is_same_field(key, one, entry.type) for one in chosen)
        }
        for take in range(variants):
            yield Variant(entry, kept | chosen, full, take)


def _find_misspelt(fields: Fields) -> list[Problem]:
    """Find keys that are nearer to ``variants`` or ``matrix`` than to a key of a request."""
    known = get_known_keys()
    keys = known - set(VARIANT_KEYS)
    return [
        Problem(key, item.value, f"must be a known key.{near}")
        for key, item in fields.items()
        if key not in known and not suggest(key, keys) and (near := suggest(key, VARIANT_KEYS))
    ]


def _read_variants(fields: Fields, wrong: list[Problem]) -> int:
    asked = fields.get("variants")
    if asked is None:
        return 1
    number = parse_whole_number(asked.value) or 0
    if 1 <= number <= _MAX_VARIANTS:
        return number
    wrong.append(Problem("variants", asked.value, f"must be a whole number from 1 to {_MAX_VARIANTS}"))
    return 1


def _read_matrix(entry: PromptEntry, wrong: list[Problem]) -> dict[str, list[Value]]:
    asked = entry.fields.get("matrix")
    if asked is None:
        return {}
    if not isinstance(asked.value, Mapping):
        message = 'must be a mapping of keys to lists, such as {aspect_ratio: ["16:9", "9:16"]}'
        wrong.append(Problem("matrix", asked.value, message))
        return {}
    own = entry.own.data
    allowed = [key for key in sorted(get_request_keys()) if key not in _NOT_IN_MATRIX]
    found: dict[str, list[Value]] = {}
    for key, items in asked.value.items():
        field = f"matrix.{key}"
        if get_canonical_key(key, entry.type) not in allowed:
            cannot = key in get_request_keys()
            message = "must not be in a matrix" if cannot else unknown_key(key, None, allowed).message
            wrong.append(Problem(field, None, message))
        elif not isinstance(items, list) or not items or any(item is None for item in items):
            wrong.append(Problem(field, items, "must be a list of values"))
        elif any(is_same_field(other, key, entry.type) for other in own if own[other] is not None):
            if (
                asked.section is entry.own
            ):  # else the entry has the last word over a matrix among its defaults
                message = (
                    f"must be written once: {get_canonical_key(key, entry.type)} is beside the matrix as well"
                )
                wrong.append(Problem(field, None, message))
        else:
            at = (*asked.keys, key)
            found[key] = [Value(item, asked.section, (*at, index)) for index, item in enumerate(items)]
    return found


def _say_too_many(count: int, variants: int, matrix: Mapping[str, Any]) -> Problem:
    wrong = f"must make at most {_MAX_OF_ONE} results of one entry"
    if matrix and variants > 1:
        wrong += f" (makes {count:,}, with {variants} variants of each combination)"
    return Problem("matrix" if matrix else "variants", None, wrong)


def _name_entry(entry: PromptEntry, wrong: list[Problem]) -> str | None:
    """Name an entry, before a matrix adds to it; return ``None`` if what was written cannot be a name."""
    given = entry.fields.get("name")
    if given is not None and (
        isinstance(given.value, bool) or not isinstance(given.value, str | int | float)
    ):
        wrong.append(Problem("name", given.value, "must be text"))
        return None
    if given is not None:
        name = str(given.value)
    elif entry.shares_file:
        name = naming.name_by_content(entry.stem, {key: item.value for key, item in entry.fields.items()})
    else:
        name = entry.stem
    if message := naming.find_wrong_in_name(name):
        wrong.append(Problem("name", name, message))
        return None
    return name


def _name_combination(
    name: str | None, chosen: Mapping[str, Value], entry: PromptEntry, problems: Problems
) -> str | None:
    if not chosen or name is None:
        return name
    full = naming.name_combination(name, {key: item.value for key, item in chosen.items()})
    if message := naming.find_wrong_in_name(full):
        problems.add_for_fields([Problem("matrix", full, f"its name {message}")], entry.fields, entry.own)
    return full

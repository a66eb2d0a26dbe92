# SPDX-License-Identifier: Apache-2.0
"""Templates of file names, ``{name}-{run_id}``, and what the manifest beside a file is called.

Nothing heavy is imported here: templates are checked where a Dag is parsed, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from string import Formatter

from kling_provider.api.suggestions import suggest

#: What a template may hold before anything is paid.
PLACES = ("name", "take", "type", "model", "run_id", "task_id", "map_index")
#: Known of a task that exists, so for what saves it afterwards.
PLACES_OF_TASKS = (*PLACES, "kling_task_id")

ABSOLUTE = "is an absolute path: remove the first /, because files are saved below destination"
OUTSIDE = "leads out of destination: remove .."
NAMELESS = "ends with a /, so the file itself has no name"

#: Control characters, marks that turn the direction of writing, and lone surrogates; what some file system, object
#: store or URL takes for its own.
UNSAFE = r'[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff\\:*?"<>|#\[\]]'

#: After the stem: the one file that says whose the files of a result are.
MANIFEST_SUFFIX = ".kling.json"


def manifest_names(file_name: str) -> tuple[str, ...]:
    """Return the names that the manifest beside a saved file may have, the likelier one first."""
    stem = file_name.rpartition(".")[0] or file_name
    several, dash, number = stem.rpartition("-")
    stems = (stem, several) if dash and several and number.isdecimal() else (stem,)
    return tuple(f"{one}{MANIFEST_SUFFIX}" for one in stems)


def add_take(name: str, take: int) -> str:
    """Return the name of the files of a take: ``red-panda``, ``red-panda.take1``."""
    return f"{name}.take{take}" if take > 0 else name


def parse_template(template: str, places: Sequence[str]) -> list[tuple[str, str | None]]:
    """Split ``template`` into pairs of a literal text and the place that follows it, if one does.

    :param places: the names that it may hold in braces.
    :raises ValueError: with a text that continues a sentence which begins with the template.
    """
    if template.startswith("/"):
        raise ValueError(ABSOLUTE)
    if ".." in (part.strip() for part in template.split("/")):
        raise ValueError(OUTSIDE)
    if template.endswith("/") or not template.strip():
        raise ValueError(NAMELESS)
    try:
        parsed = list(Formatter().parse(template))
    except ValueError as error:
        raise ValueError(f"is not a valid template: {error}") from None
    pairs: list[tuple[str, str | None]] = []
    for literal, place, spec, conversion in parsed:
        if place is not None and place not in places:
            raise ValueError(_explain_unknown(place, places))
        if spec or conversion:
            raise ValueError(f"must have {{{place}}} without ! and :")
        pairs.append((literal, place))
    return pairs


def _explain_unknown(place: str, places: Sequence[str]) -> str:
    if place == "kling_task_id":
        return "has {kling_task_id}, which is not known before the payment; write {name}-{run_id}"
    allowed = ", ".join(f"{{{one}}}" for one in places)
    return f"has the unknown placeholder {{{place}}}.{suggest(place, places)} Allowed: {allowed}"

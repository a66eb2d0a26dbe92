# SPDX-License-Identifier: Apache-2.0
"""Text from elsewhere -> text that logs, databases and terminals can hold.

JSON allows half a surrogate pair, which no file and no database takes, U+0000, which PostgreSQL refuses, and escape
sequences, which change what a terminal shows. All of it ends here, where an answer is read.
"""

from __future__ import annotations

import re
from typing import Any

#: The longest text that is kept of an answer, in characters. Signed links have some thousand.
LONGEST = 16_384

#: The longest id, in characters.
LONGEST_ID = 256
_IDS = frozenset({"id", "task_id", "taskId"})

#: What a terminal takes for an order: colours, cursor moves, titles, links.
_ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d\x9e\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"
    r"|\x1b[ -/]*[0-~]?"
)
#: Control characters, and the line breaks of Unicode.
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
#: Half surrogate pairs, and what turns the direction of the text that follows.
_HALVES = re.compile(r"[\ud800-\udfff]")
_TURNS = re.compile(r"[\u202a-\u202e\u2066-\u2069]")


def clean_text(text: str, longest: int = LONGEST) -> str:
    """One line without control characters, escape sequences and lone surrogates.

    :param longest: cut to so many characters, the last of which then is ``…``.
    """
    if not text.isprintable():
        text = _TURNS.sub("", _HALVES.sub("\ufffd", _CONTROLS.sub(" ", _ESCAPES.sub("", text)))).strip()
    return text if len(text) <= longest else text[: longest - 1] + "…"


def clean_json(value: Any) -> Any:
    """The same for every text of a JSON value, keys included. An id that is not clean as it came is none.

    :raises RecursionError: where it is nested too deeply.
    """
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, dict):
        return {
            clean_text(key): "" if key in _IDS and not _is_id(item) else clean_json(item)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [clean_json(item) for item in value]
    return value


def _is_id(value: Any) -> bool:
    """Not changed by cleaning, so that it can be asked for again."""
    return not isinstance(value, str) or (value.isprintable() and len(value) <= LONGEST_ID)

# SPDX-License-Identifier: Apache-2.0
"""What an entry is called: its label in the UI, its file, and a part of its identity.

A name must not change because something else did. So it is never an index: an entry that has none and shares
its file with others is called by what it asks for.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from kling_provider.api.parsing import read_what_can_be
from kling_provider.api.requests.base import KlingRequest
from kling_provider.api.values import convert_integral_float
from kling_provider.file_names import UNSAFE
from kling_provider.prompts.request_fields import VARIANT_KEYS, get_input_paths

_MAX_NAME = 200
#: File systems end at 255 bytes, and a file's name gets ``.take12.mp4.json`` and a temporary ending as well.
_MAX_PART_BYTES = 200
_MAX_WORDS = 40

#: Changing one of these asks for the same result, or for another take of it; the type shows in the fields it has.
_NOT_CONTENT = frozenset({"type", "name", "take", "adopt", *VARIANT_KEYS, "callback_url", "external_task_id"})


def find_wrong_in_name(name: str) -> str | None:
    """Say why ``name`` cannot be the name of a file; return ``None`` if it can."""
    if not name:
        return "must not be empty"
    if len(name) > _MAX_NAME:
        return f"must be at most {_MAX_NAME} characters (has {len(name)})"
    for sign in name:
        if sign == "\\" or unicodedata.category(sign) in ("Cc", "Cs", "Zl", "Zp"):
            return f"has a character that file names must not have (U+{ord(sign):04X})"
    for part in name.split("/"):
        if part in ("", ".", ".."):
            return "must have no . or .. as a part, and no / at its ends"
        if part != part.strip() or part.endswith("."):
            return "has a part that begins or ends with a space, or ends with a dot"
        if len(part.encode()) > _MAX_PART_BYTES:
            return f"has a part of more than {_MAX_PART_BYTES} bytes"
    return None


def name_by_content(stem: str, fields: Mapping[str, Any]) -> str:
    """Make a name such as ``ideas/a-red-panda-brews-1f3a9c02``: the file, the first words, a hash of what is asked for.

    The hash is of the meaning of the fields: the same request has the same name in every form of file and in every
    spelling. A value that cannot be read yet (a placeholder that is filled later, a mistake) counts as it is written.

    :param stem: the path of the file without suffix.
    :param fields: the fields of the entry, with its defaults.
    """
    request, rest = read_what_can_be(fields)
    content = {key: _simplify_value(value) for key, value in (request.fingerprint() | rest).items()}
    words = _read_text(request, rest, request.prompt_field)
    for path in get_input_paths(request.type):
        # Without a prompt the name of an input says most.
        if not words and len(path) == 1:
            words = _read_text(request, rest, path[0]).rpartition("/")[2]
    content = {key: value for key, value in content.items() if key not in _NOT_CONTENT}
    return f"{stem}/{'-'.join(filter(None, (_join_words(words), _hash_value(content))))}"


def name_combination(name: str, values: Mapping[str, Any]) -> str:
    """Make the name of one combination of a matrix: ``red-panda/9x16-kling-2.6``."""
    return f"{name}/{'-'.join(_name_value(key, value) for key, value in values.items())}"


def fold_name(name: str) -> str:
    """Fold a name so that names whose files would collide are equal: without case, unsafe characters as ``_``."""
    plain = re.sub(rf"{UNSAFE}|(?<![^/])\.", "_", name)
    return unicodedata.normalize("NFC", plain).casefold()


def _read_text(request: KlingRequest, rest: Mapping[str, Any], key: str) -> str:
    """Read a text of a request that may be wrong; return an empty text if it is none."""
    return str(getattr(request, key, None) or rest.get(key) or "")


def _name_value(key: str, value: Any) -> str:
    text = _simplify_value(value)
    if not isinstance(text, str):
        return f"{key}-{_hash_value(text)}"
    word = re.sub(r"[^\w.-]+", "-", text.replace(":", "x")).strip("-.")
    if not word or len(word) > _MAX_WORDS or len(word.encode()) > 2 * _MAX_WORDS:
        return "-".join(filter(None, (_join_words(text), _hash_value(text))))
    # 5 or true says nothing without its key.
    return f"{key}-{word}" if re.fullmatch(r"[\d.-]+|true|false", word) else word


def _join_words(text: str) -> str:
    found = ""
    for word in re.findall(r"\w+", unicodedata.normalize("NFC", text).lower()):
        longer = f"{found}-{word}" if found else word[:_MAX_WORDS]
        if len(longer) > _MAX_WORDS or len(longer.encode()) > 2 * _MAX_WORDS:
            break
        found = longer
    return found


def _simplify_value(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(convert_integral_float(value))
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, Mapping):
        return {str(key): _simplify_value(item) for key, item in value.items()}
    return [_simplify_value(item) for item in value] if isinstance(value, list) else value


def _hash_value(value: Any) -> str:
    return sha256(json.dumps(value, sort_keys=True, ensure_ascii=True).encode()).hexdigest()[:8]

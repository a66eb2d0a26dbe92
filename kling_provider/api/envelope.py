# SPDX-License-Identifier: Apache-2.0
"""The body of an HTTP answer -> what it says: its form, a code, a text, whether it names a task or speaks of success.

Gateways wrap what Kling says, as an object in an object or as JSON within a text. So facts are looked for at every
level, and a code of Kling's own table counts wherever it stands.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from kling_provider.api.redaction import clean_json, clean_text, redact_urls
from kling_provider.api.responses_route import read_events, rename_fields, unwrap_response
from kling_provider.api.units_taken import add_units_taken

#: The words with which hosts say that it worked, in any case.
_SUCCESS = frozenset({"success", "succeed", "succeeded", "ok", "dmxapi_kling_error_0"})
#: Levels that are looked into; JSON in a text is two. A gateway behind a gateway wraps twice.
_DEEPEST = 12
#: The longest text of an answer that people are shown, in characters.
_LONGEST_MESSAGE = 600
_LONGEST_EXCERPT = 120


class Form(StrEnum):
    """What kind of body an answer has."""

    EMPTY = "empty"
    JSON = "json"
    #: An HTML page: of a proxy, of a gateway's website, of a login.
    PAGE = "page"
    #: JSON that stops too early, or is none after all.
    CUT = "cut"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class Envelope:
    """What a body says, with all texts cleaned."""

    form: Form
    #: The code at the top; 0 stands for every word of success.
    code: int | str | None = None
    #: A code of Kling's own table, wherever it stands.
    kling_code: int | None = None
    #: The text beside Kling's code, else the one at the top.
    message: str = ""
    request_id: str | None = None
    data: Any = field(default=None, repr=False)
    #: The whole object, where the body is one.
    whole: Mapping[str, Any] | None = field(default=None, repr=False)
    #: The body names a task, at any level.
    names_task: bool = False
    #: What the outermost object that names a task says of it: its id is the one that the host answers to.
    task_data: Mapping[str, Any] | None = field(default=None, repr=False)
    #: Some level says that it worked.
    says_success: bool = False
    #: The answer of a responses route, which holds its envelope as text.
    is_wrapped_response: bool = False
    #: Codes and types of gateways in words (``insufficient_user_quota``), in lower case.
    words: tuple[str, ...] = ()


def read_envelope(body: bytes, known_codes: Collection[int]) -> Envelope:
    """Read a body, whatever it holds; never raise.

    :param known_codes: the codes of Kling's table, 0 not among them.
    """
    text = body.strip()
    if not text:
        return Envelope(Form.EMPTY)
    try:
        value = read_events(text) or json.loads(text)
        places = list(_walk_levels(value))
        levels = [place.fields for place in places]
        value = dict(add_units_taken(unwrap_response(value))) if isinstance(value, dict) else value
        clean, task_data = clean_json(value), _find_task_data(places)
    except (ValueError, RecursionError):  # nested too deeply
        return _read_other_form(text)
    if not isinstance(value, dict):
        named = any(_has_task_id(level) for level in levels)
        succeeded = any(_says_success(level) for level in levels)
        return Envelope(Form.TEXT, message=_make_excerpt(text), names_task=named, says_success=succeeded)
    kling_code, source = _find_kling_code(places, known_codes) or (None, value)
    return Envelope(
        form=Form.JSON,
        code=_parse_code(value.get("code")),
        kling_code=kling_code,
        message=_extract_message(source) or _extract_message(value),
        request_id=_clean_id(source.get("request_id")) or _clean_id(value.get("request_id")),
        data=_extract_data(clean),
        whole=clean,
        names_task=any(_has_task_id(level) for level in levels) or _has_any(value, "id"),
        task_data=task_data,
        says_success=any(_says_success(level) for level in levels),
        is_wrapped_response=value.get("object") == "response",
        words=tuple(_collect_words(levels)),
    )


def _read_other_form(text: bytes) -> Envelope:
    if re.match(rb"(?:\xef\xbb\xbf)?\s*<(?:!doctype|html|head|body|!--|\?xml)", text[:200], re.IGNORECASE):
        return Envelope(Form.PAGE, message=_make_excerpt(text))
    return Envelope(Form.CUT if text[:1] in b"{[" else Form.TEXT, message=_make_excerpt(text))


@dataclass(frozen=True, slots=True)
class _Place:
    """One object of a response: how many levels are around it, and whether it stands as JSON within a text."""

    fields: Mapping[str, Any]
    depth: int
    in_text: bool


def _walk_levels(value: Any, depth: int = 0, in_text: bool = False) -> Iterator[_Place]:
    """Yield the objects of a response, each before what is in it, including those that stand as JSON within a text."""
    if depth == _DEEPEST:
        return
    if isinstance(value, dict):
        yield _Place(value, depth, in_text)
        for item in value.values():
            yield from _walk_levels(item, depth + 1, in_text)
    elif isinstance(value, list):
        for item in value[:50]:
            yield from _walk_levels(item, depth + 1, in_text)
    elif isinstance(value, str) and (inner := _parse_nested(value)) is not None:
        yield from _walk_levels(inner, depth + 1, True)


def _find_kling_code(
    places: list[_Place], known_codes: Collection[int]
) -> tuple[int, Mapping[str, Any]] | None:
    """Return the innermost code of Kling's table, and the object that has it.

    A code within a text counts only where no other does: the text may repeat what a user wrote.
    """
    found = [
        (place.in_text, code, place.fields)
        for place in places
        if isinstance(code := _parse_code(place.fields.get("code")), int) and code in known_codes
    ]
    chosen = [one for one in found if not one[0]] or found
    return chosen[-1][1:] if chosen else None


def _parse_nested(text: str) -> dict[str, Any] | None:
    """Parse the object that a text holds: all of the text, or from its first brace to its last."""
    begin, end = text.find("{"), text.rfind("}")
    if not 0 <= begin < end or '"' not in text:
        return None
    try:
        value = json.loads(text[begin : end + 1])
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _has_any(level: Mapping[str, Any], *keys: str) -> bool:
    return any(isinstance(level.get(key), str | int) and level[key] for key in keys)


def _has_task_id(level: Mapping[str, Any]) -> bool:
    return _has_any(level, "task_id", "taskId") or _has_id_in_data(level.get("data"))


def _has_id_in_data(data: Any) -> bool:
    """Tell whether the data name a task; there a plain ``id`` is the id of a task, too."""
    items = data if isinstance(data, list) else [data]
    return any(isinstance(item, Mapping) and _has_any(item, "id", "task_id", "taskId") for item in items)


def _find_task_data(places: list[_Place]) -> Mapping[str, Any] | None:
    named = [place for place in places if _has_any(place.fields, "task_id", "taskId")]
    if named:
        outermost = min(named, key=lambda place: place.depth).fields
    else:
        data = [place.fields.get("data") for place in places]
        outermost = next((one for one in data if isinstance(one, Mapping) and _has_any(one, "id")), {})
    return dict(clean_json(rename_fields(outermost))) or None


def _says_success(level: Mapping[str, Any]) -> bool:
    if _parse_code(level.get("code")) == 0 or level.get("success") is True:
        return True
    message = level.get("message")
    return isinstance(message, str) and message.strip().lower() in _SUCCESS


def _collect_words(levels: list[Mapping[str, Any]]) -> Iterator[str]:
    for level in levels:
        for key in ("code", "type"):
            if isinstance(word := level.get(key), str):
                yield word.lower()


def _extract_data(envelope: Mapping[str, Any]) -> Any:
    """Return the data, with the id of the task where a gateway wrote it beside them: a paid task must not lose its id."""
    data, beside = envelope.get("data"), envelope.get("task_id")
    if not beside or data is None:
        return data
    if not data:
        return {"task_id": beside}
    if isinstance(data, Mapping) and not _has_id_in_data(data):
        return {**data, "task_id": beside}
    return data


def _parse_code(value: Any) -> int | str | None:
    if value is None or isinstance(value, bool):
        return None
    text = str(value).strip()
    if text.lower() in _SUCCESS:
        return 0
    if (own := re.fullmatch(r"dmxapi_kling_error_(\d{4})", text.lower())) is not None:
        return int(own[1])  # Kling's code in the gateway's word
    return int(text) if re.fullmatch(r"-?[0-9]{1,9}", text) else clean_text(text, 200)


def _extract_message(level: Mapping[str, Any]) -> str:
    error = level.get("error")
    if isinstance(error, Mapping):
        error = error.get("message")
    said = level.get("message") or level.get("msg") or (error if isinstance(error, str) else "") or ""
    return clean_text(redact_urls(said), _LONGEST_MESSAGE)


def _clean_id(value: Any) -> str | None:
    return clean_text(str(value), 200) if isinstance(value, str | int) and value else None


def _make_excerpt(text: bytes) -> str:
    """Return a body that is no object on one line: a page's title, else its first words without tags."""
    said = text[:2000].decode("utf-8", "replace")
    if title := re.search(r"<title[^>]*>(.*?)</title>", said, re.IGNORECASE | re.DOTALL):
        said = title[1]
    words = " ".join(re.sub(r"<[^>]*>?", " ", said).split())
    return clean_text(redact_urls(words), _LONGEST_EXCERPT)

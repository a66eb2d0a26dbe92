# SPDX-License-Identifier: Apache-2.0
"""What is wrong with a request, in words for its author: field, what was found, what to write."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kling_provider.api.redaction import redact_urls
from kling_provider.api.suggestions import suggest

if TYPE_CHECKING:
    from pydantic import ValidationError


@dataclass(frozen=True, slots=True)
class Problem:
    """``field`` is dotted (``camera_control.config.pan``), empty where the whole request is meant."""

    field: str
    found: Any
    message: str

    def __str__(self) -> str:
        # The path of a callback's URL is often its secret.
        hidden = self.found is None or not self.field or self.field.endswith("callback_url")
        found = "" if hidden else f" {_shorten_value(self.found)}"
        return f"{self.field}{found}: {self.message}" if self.field else self.message


class InvalidRequest(ValueError):
    """A request that was refused before anything was sent. ``problems`` holds all of them."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(join_problems(problems))


def join_problems(problems: Iterable[Problem]) -> str:
    """Join problems to one line: with semicolons, or with a blank after one that ends a sentence."""
    text = ""
    for problem in problems:
        text += f"{'' if not text else ' ' if text.endswith(('.', '?')) else '; '}{problem}"
    return text


def unknown_key(key: str, found: Any, known: Iterable[str], hint: str | None = None) -> Problem:
    """Describe a key that a request does not have."""
    if hint is not None:
        return Problem(key, found, hint)
    names = [name for name in known if name != "type"]
    return Problem(key, found, _say_no_such_key(key, names))


def _say_no_such_key(key: str, known: Sequence[str]) -> str:
    near = suggest(key, known)
    return f"must be a known key.{near}" if near or not known else f"must be one of: {', '.join(known)}"


def describe_invalid_characters(found: Iterable[str]) -> str:
    """Say of a text that it must not contain the characters ``found``; at most five of them are named."""
    codes = ", ".join(f"U+{ord(one):04X}" for one in sorted(set(found))[:5])
    return f"must not contain control characters or lone surrogates (found {codes})"


def list_problems(error: ValidationError, keys_within: Mapping[str, Sequence[str]]) -> list[Problem]:
    """List what pydantic found, in this provider's words.

    :param keys_within: per field that holds objects, the keys of those.
    """
    problems = []
    for item in error.errors(include_url=False):
        field = ".".join(str(part) for part in item["loc"])
        context = item.get("ctx") or {}
        match item["type"]:
            case "literal_error":
                allowed = str(context["expected"]).replace("'", "").replace(" or ", ", ")
                message = f"must be one of: {allowed}.{suggest(str(item['input']), allowed.split(', '))}"
            case "int_parsing" | "int_parsing_size" | "int_type" | "int_from_float" | "finite_number":
                message = "must be a whole number"
            case "float_parsing" | "float_type":
                message = "must be a number"
            case "bool_parsing" | "bool_type":
                message = "must be true or false"
            case "string_unicode":
                halves = {sign for sign in item["input"] if "\ud800" <= sign <= "\udfff"}
                problems.append(Problem(field, None, describe_invalid_characters(halves)))
                continue
            case "string_type":
                message = "must be text"
            case "string_too_short" | "too_short" if isinstance(item["input"], str):
                message = "must not be empty: write something, or leave it out"
            case "string_too_long" | "too_long" if isinstance(item["input"], str):
                message = f"must be at most {context['max_length']} characters (has {len(item['input'])})"
            case "list_type":
                message = "must be a list"
            case "model_type":
                message = "must be a mapping of keys and values"
            case "too_short":
                message = (
                    f"must have at least {context['min_length']} entries (has {context['actual_length']})"
                )
            case "too_long":
                message = (
                    f"must have at most {context['max_length']} entries (has {context['actual_length']})"
                )
            case "extra_forbidden" | "invalid_key":
                within = next(
                    (keys_within[str(part)] for part in item["loc"][-2::-1] if part in keys_within), ()
                )
                message = _say_no_such_key(str(item["loc"][-1]), within)
            case "missing":
                problems.append(Problem(field, None, "must be given"))
                continue
            case "greater_than_equal":
                message = f"must be {context['ge']:g} or more"
            case "less_than_equal":
                message = f"must be {context['le']:g} or less"
            case "string_pattern_mismatch" if field not in _PATTERNS and not str(item["input"]).strip():
                message = "must not be blank: write something, or leave it out"
            case "string_pattern_mismatch":
                message = _PATTERNS.get(field, "has characters that are not allowed here")
            case "value_error":
                message = str(context["error"])
            case _:
                message = item["msg"]
        problems.append(Problem(field, item["input"], message))
    return problems


_PATTERNS = {
    "aspect_ratio": 'must be written like "16:9"',
    "callback_url": "must be an http or https URL",
    "external_task_id": "must be 1 to 128 letters, digits, dots, colons, dashes and underscores, and not dots only",
    "model": "must be a model's name such as kling-3.0",
}


def _shorten_value(value: Any) -> str:
    text = redact_urls(repr(value))
    return text if len(text) <= 60 else f"{text[:57]}..."

# SPDX-License-Identifier: Apache-2.0
"""Checks of what operations are asked for, before anything is sent."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Any

from kling_provider.api.suggestions import suggest
from kling_provider.exceptions import KlingRequestError

if TYPE_CHECKING:
    from kling_provider.hooks.connection import KlingConnection


def check_able(connection: KlingConnection, able: bool, cannot: str) -> None:
    """Check that a host can do something.

    :param cannot: what it cannot do, for the message: ``"lists no tasks"``.
    :raises KlingRequestError: where it cannot.
    """
    if not able:
        raise KlingRequestError(f"{connection.host} {cannot}.")


def check_pages(max_pages: Any) -> None:
    """Check a number of pages; ``None`` is all of them.

    :raises KlingRequestError: where it is no whole number from 1.
    """
    whole = isinstance(max_pages, int) and not isinstance(max_pages, bool)
    if max_pages is not None and not (whole and max_pages >= 1):
        raise KlingRequestError(
            f"max_pages must be a whole number from 1; found {max_pages!r}. Nothing was sent."
        )


def check_id(value: Any, what: str) -> str:
    """Check one id, which Kling may have written as a number.

    :param what: for the message: ``"voice_id"``.
    :raises KlingRequestError: where it is neither text nor a whole number, or empty.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, str) and value.strip():
        return value.strip()
    raise KlingRequestError(f"{what} must be an id as text; found {value!r}. Nothing was sent.")


def check_words(values: Any, what: str, allowed: Collection[str] = ()) -> list[str]:
    """Check a list of ids or words, and return each once. A single text is refused: it would be read letter by letter.

    :param what: for the message: ``"kling_task_ids"``.
    :param allowed: the allowed words; any where it is empty.
    :raises KlingRequestError: where it is not a list of texts, or a word is not allowed.
    """
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        raise KlingRequestError(f"{what} must be a list of texts, such as [{values!r}]; found {values!r}.")
    words = list(dict.fromkeys(values))
    for word in words:
        if not isinstance(word, str) or not word:
            raise KlingRequestError(f"{what} must be a list of texts; found {word!r} in it.")
        if allowed and word not in allowed:
            raise KlingRequestError(
                f"{what} must be among {', '.join(allowed)}; found {word!r}.{suggest(word, allowed)}"
            )
    return words

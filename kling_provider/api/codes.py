# SPDX-License-Identifier: Apache-2.0
"""An HTTP answer -> what happened, as data.

The table is Kling's own (error code page, 22 rows). HTTP 429 alone says nothing: 1100, 1101, 1102 and
1304 share it with 1302 and 1303 and are final. So the code decides, and the HTTP status only where no
code of the table came.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from kling_provider.api.addresses import without_queries


class TaskState(StrEnum):
    """Whether a task exists at Kling after this answer, as far as the caller can know."""

    NONE = "none"
    EXISTS = "exists"
    MAY_EXIST = "may_exist"


class Kind(StrEnum):
    """What an answer means for a client."""

    OK = "ok"
    AUTH = "auth"
    #: The JWT is early or late (1003, 1004): sign again once by the server's clock.
    TOKEN_TIME = "token_time"
    BALANCE = "balance"
    INVALID = "invalid"
    MODERATION = "moderation"
    RATE_LIMIT = "rate_limit"
    NO_SLOT = "no_slot"
    SERVER = "server"
    #: Not Kling's envelope: a proxy's page, a redirect, a cut body, nothing.
    UNREADABLE = "unreadable"


_KINDS: dict[int, Kind] = {
    **dict.fromkeys((1000, 1001, 1002, 1103, 1304), Kind.AUTH),
    **dict.fromkeys((1003, 1004), Kind.TOKEN_TIME),
    **dict.fromkeys((1100, 1101, 1102), Kind.BALANCE),
    **dict.fromkeys((1200, 1201, 1202, 1203), Kind.INVALID),
    **dict.fromkeys((1300, 1301), Kind.MODERATION),
    1302: Kind.RATE_LIMIT,
    1303: Kind.NO_SLOT,
    **dict.fromkeys((5000, 5001, 5002), Kind.SERVER),
}

#: Statuses that no server answers after it made a task, whoever sent them.
_NEVER_MADE = {401: Kind.AUTH, 403: Kind.AUTH, 404: Kind.INVALID, 405: Kind.INVALID}


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer, or the lack of one.

    ``task_state`` speaks of a *create*: ``none`` where the answer proves that no task was made,
    ``may_exist`` where it proves nothing. For reads it has no meaning.
    """

    kind: Kind
    http_status: int | None = None
    code: int | str | None = None
    message: str = ""
    request_id: str | None = None
    data: Any = field(default=None, repr=False)
    retry_after: float | None = None
    task_state: TaskState = TaskState.MAY_EXIST

    @property
    def ok(self) -> bool:
        return self.kind is Kind.OK

    @property
    def duplicate(self) -> bool:
        """The text says that our external id is taken. Text alone: fragile, so callers look up first."""
        return self.code == 1201 and "already exists" in self.message.lower()

    @property
    def not_found(self) -> bool:
        """A read of one id that the host does not know: 1203, 1201 by its text (legacy), a gateway's own word.

        A 404 without a code says nothing about the id: it comes from a wrong path, or from a proxy.
        """
        if isinstance(self.code, str):
            return self.http_status == 404 or "not_exist" in self.code
        return self.code == 1203 or (self.code == 1201 and "not found" in self.message.lower())


def read_answer(http_status: int, headers: Mapping[str, str], body: bytes) -> Answer:
    """Classify one HTTP answer.

    Tolerates what gateways change: ``code`` as int or text (``"0"``, ``"success"``), the id of the
    request under other names. Success needs both a 2xx status and a code of success (or none beside data).
    """
    retry_after = _seconds(headers.get("Retry-After"))
    envelope = _envelope(body)
    if envelope is None:
        kind = _NEVER_MADE.get(http_status, Kind.UNREADABLE)
        state = TaskState.NONE if http_status in _NEVER_MADE else TaskState.MAY_EXIST
        return Answer(kind, http_status, None, _excerpt(body), None, None, retry_after, state)

    code = _code(envelope.get("code"))
    message = without_queries(envelope.get("message") or envelope.get("msg") or _error_text(envelope) or "")
    request_id = str(envelope.get("request_id") or headers.get("X-Request-Id") or "") or None
    data = _data(envelope)
    succeeded = 200 <= http_status < 300
    if succeeded and code == 0:
        return Answer(Kind.OK, http_status, 0, message, request_id, data if data is not None else envelope)
    if succeeded and code is None and any(key in envelope for key in ("data", "id", "task_id")):
        return Answer(Kind.OK, http_status, None, message, request_id, data if data is not None else envelope)
    if isinstance(code, int) and code in _KINDS:
        kind = _KINDS[code]
        # Kling's refusals prove that nothing was made, also where a wrapper passes them on with 200. A 408,
        # a redirect or a 5xx around such a code proves nothing.
        refused = kind is not Kind.SERVER and http_status != 408 and (succeeded or 400 <= http_status < 500)
        # Nor does one beside the id of a task, whichever of the two is wrong.
        refused = refused and not _names_task(data)
        state = TaskState.NONE if refused else TaskState.MAY_EXIST
    else:
        kind = _NEVER_MADE.get(http_status, Kind.SERVER if http_status >= 500 else Kind.UNREADABLE)
        state = TaskState.NONE if http_status in _NEVER_MADE else TaskState.MAY_EXIST
    return Answer(kind, http_status, code, message, request_id, data, retry_after, state)


def _envelope(body: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):  # brackets without end are no answer either
        return None
    return value if isinstance(value, dict) else None


def _data(envelope: Mapping[str, Any]) -> Any:
    """The data, and the task's id where a gateway wrote it beside them: what was paid must not lack its id."""
    data, beside = envelope.get("data"), envelope.get("task_id")
    if not beside or data is None:
        return data
    if not data:
        return {"task_id": beside}
    if isinstance(data, Mapping) and not _names_task(data):
        return {**data, "task_id": beside}
    return data


def _names_task(data: Any) -> bool:
    return isinstance(data, Mapping) and bool(data.get("id") or data.get("task_id"))


def _code(value: Any) -> int | str | None:
    if value is None or isinstance(value, bool):
        return None
    text = str(value).strip()
    if text.lower() in ("success", "succeed", "ok"):
        return 0
    return int(text) if re.fullmatch(r"-?[0-9]{1,9}", text) else text


def _error_text(envelope: Mapping[str, Any]) -> str | None:
    error = envelope.get("error")
    if isinstance(error, Mapping):
        return error.get("message")
    return error if isinstance(error, str) else None


def _seconds(value: str | None) -> float | None:
    """``Retry-After`` in seconds; its date form is not used by anyone here and counts as absent."""
    try:
        seconds = float(value) if value else math.nan
    except ValueError:
        return None
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _excerpt(body: bytes) -> str:
    """What a body that is not JSON says, on one line: a page's title, else its first words without tags."""
    text = body[:2000].decode("utf-8", "replace")
    if title := re.search(r"<title[^>]*>(.*?)</title>", text, re.IGNORECASE | re.DOTALL):
        text = title[1]
    return without_queries(" ".join(re.sub(r"<[^>]*>?", " ", text).split()))[:120]

# SPDX-License-Identifier: Apache-2.0
"""An HTTP response -> what happened, as data.

The table of codes is Kling's own (error code page, 22 rows). HTTP 429 alone says nothing: 1100, 1101, 1102 and 1304
share it with 1302 and 1303 and are final. So the code decides, and the HTTP status only where no code of the table
came. What an answer to the paid call proves is decided in one place, :func:`_decide_task_state`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from kling_provider.api.envelope import Envelope, Form, read_envelope
from kling_provider.api.redaction import clean_text, show_place


class TaskState(StrEnum):
    """Whether a task exists at Kling after this answer, as far as the caller can know."""

    NONE = "none"
    EXISTS = "exists"
    MAY_EXIST = "may_exist"


class ErrorKind(StrEnum):
    """What a response means: success, or which kind of error, and so who can repair it."""

    OK = "ok"
    AUTH = "auth"
    #: The JWT is early or late (1003, 1004): sign again once by the server's clock.
    TOKEN_TIME = "token_time"
    BALANCE = "balance"
    INVALID = "invalid"
    MODERATION = "moderation"
    RATE_LIMIT = "rate_limit"
    CONCURRENCY_LIMIT = "concurrency_limit"
    #: Refused by the status alone (400, 413, 422, a redirect for good): a create made nothing; of a read it says nothing lasting.
    REFUSED = "refused"
    SERVER = "server"
    #: Not Kling's envelope: a proxy's page, a redirect, a cut body, nothing.
    UNREADABLE = "unreadable"


_KINDS: dict[int, ErrorKind] = {
    **dict.fromkeys((1000, 1001, 1002, 1103, 1304), ErrorKind.AUTH),
    **dict.fromkeys((1003, 1004), ErrorKind.TOKEN_TIME),
    **dict.fromkeys((1100, 1101, 1102), ErrorKind.BALANCE),
    **dict.fromkeys((1200, 1201, 1202, 1203), ErrorKind.INVALID),
    **dict.fromkeys((1300, 1301), ErrorKind.MODERATION),
    1302: ErrorKind.RATE_LIMIT,
    1303: ErrorKind.CONCURRENCY_LIMIT,
    **dict.fromkeys((5000, 5001, 5002), ErrorKind.SERVER),
}

#: Every code of Kling's own table but that of success.
KLING_CODES = frozenset(_KINDS)

#: Statuses with which a host refuses a call before it makes anything, and what they mean without a code of Kling's.
_REFUSALS: dict[int, ErrorKind] = {
    401: ErrorKind.AUTH,
    402: ErrorKind.BALANCE,
    403: ErrorKind.AUTH,
    404: ErrorKind.INVALID,
    405: ErrorKind.INVALID,
    429: ErrorKind.RATE_LIMIT,
    **dict.fromkeys((301, 308, 400, 413, 415, 422), ErrorKind.REFUSED),
    # For now: some servers redirect while they are maintained.
    **dict.fromkeys((302, 307), ErrorKind.UNREADABLE),
}

#: Codes, types and texts with which gateways say that no money is left; some do so with 401, 403 or 429.
_QUOTA_WORDS = re.compile(r"quota|balance|credit|arrear|billing|insufficient_funds")
_QUOTA_TEXTS = re.compile(
    r"insufficient (?:account )?(?:balance|quota|credit|fund)|(?:quota|balance|credits?) (?:is|are|was) ?"
    r"(?:not enough|insufficient|exhausted|used up)|not enough (?:balance|quota|credit)|exceeded your current quota|"
    r"out of credits?|余额不足|额度不足|额度已用尽|欠费",
    re.IGNORECASE,
)
#: Texts of Kling and of gateways about a model that is not there. Seen: "model is not supported", "The model '…' has been
#: discontinued", "model_not_found", "对于模型 … 无可用渠道".
_MODEL_TEXTS = re.compile(
    # Names of models have dots, so a sentence ends at a dot before a space.
    r"\bmodel\b(?!/)(?:(?!\.\s|;).){0,80}?\b(?:not (?:supported|found|available|exist)|does not exist|discontinued|unavailable|unknown|"
    r"invalid|no longer)|model_not_found|(?:unknown|unsupported|invalid|no such) model|no (?:available )?channel(?:(?!\.\s|;).){0,80}?model|"
    r"模型[^。;]{0,60}(?:无可用渠道|不存在|不支持|已下线)",
    re.IGNORECASE,
)
#: A limit per time that some hosts call a quota, too.
_RATE_TEXTS = re.compile(r"rate.?limit|per (?:second|minute|hour)|\brpm\b|\btpm\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ApiResponse:
    """One response of the host, or the lack of one.

    ``task_state`` speaks of a *create*: ``none`` where the answer proves that no task was made,
    ``may_exist`` where it proves nothing. For reads it has no meaning.
    """

    kind: ErrorKind
    http_status: int | None = None
    code: int | str | None = None
    message: str = ""
    request_id: str | None = None
    data: Any = field(default=None, repr=False)
    retry_after: float | None = None
    task_state: TaskState = TaskState.MAY_EXIST
    #: An HTML page came in the place of JSON.
    page: bool = False
    #: From Kling's own host, and no gateway.
    at_kling: bool = True

    @property
    def ok(self) -> bool:
        """Tell whether the call succeeded."""
        return self.kind is ErrorKind.OK

    @property
    def is_about_model(self) -> bool:
        """Tell whether the host has no such model, or has it no more; only the text says so."""
        return not self.ok and bool(_MODEL_TEXTS.search(f"{self.code} {self.message}"))

    @property
    def is_temporary(self) -> bool:
        """Tell whether a later call may succeed: after too many calls, or a redirect that says so."""
        redirected = self.kind is ErrorKind.UNREADABLE and self.http_status in (302, 307)
        return self.task_state is TaskState.NONE and (redirected or self.kind is ErrorKind.RATE_LIMIT)

    @property
    def is_duplicate(self) -> bool:
        """Tell whether the external id exists already. Only the text says so, so callers look the id up first."""
        return self.code == 1201 and "already exists" in self.message.lower()

    @property
    def is_not_found(self) -> bool:
        """Tell whether the host does not know the id of a read: 1203, 1201 by its text (legacy), or a gateway's word.

        A 404 without a code says nothing about the id: it comes from a wrong path, or from a proxy.
        """
        if isinstance(self.code, str):
            return self.http_status == 404 or "not_exist" in self.code or _says_no_task(self.message)
        return self.code == 1203 or (self.code == 1201 and "not found" in self.message.lower())


def _says_no_task(message: str) -> bool:
    return bool(
        re.search(r"\btask[ _](?:id )?(?:is |was |does )?not (?:found|exist)", message, re.IGNORECASE)
    )


def parse_response(http_status: int, headers: Mapping[str, str], body: bytes) -> ApiResponse:
    """Read what one HTTP response means; never raise.

    Accepts what gateways change: ``code`` as int or text (``"0"``, ``"success"``), Kling's answer inside another one,
    the id of the request under other names. Success needs both a 2xx status and a code of success (or none beside data).
    """
    envelope = read_envelope(body, KLING_CODES)
    state = _decide_task_state(http_status, envelope)
    data, message = envelope.data, envelope.message
    if _is_success(http_status, envelope) or _is_accepted(http_status, envelope):
        kind, code = ErrorKind.OK, envelope.code
        data = data if data is not None else envelope.whole
        state = TaskState.MAY_EXIST
    else:
        kind = _choose_kind(http_status, envelope, state)
        code = envelope.kling_code if envelope.kling_code is not None else envelope.code
        if 300 <= http_status < 400 and envelope.kling_code is None:
            message = _explain_redirect(headers.get("Location"))
    if http_status >= 400 and envelope.task_data is not None and not envelope.is_wrapped_response:
        data = envelope.task_data  # wherever in the error it stands
    return ApiResponse(
        kind,
        http_status,
        code,
        message,
        envelope.request_id or clean_text(headers.get("X-Request-Id") or "", 200) or None,
        data,
        None if kind is ErrorKind.OK else _parse_retry_after(headers.get("Retry-After")),
        state,
        envelope.form is Form.PAGE,
    )


def _decide_task_state(http_status: int, envelope: Envelope) -> TaskState:
    """Decide what the response to a paid call proves. The first row that fits decides.

    ==================================================================================  ==============
    (a) names a task, or says success in any of the hosts' words                        may exist
    (b) a code of Kling's table but 5000-5002, also inside a wrapper, at any status      none
    (b) 5000-5002                                                                        may exist
    (c) no such code, whole, and 301, 302, 307, 308, 400-405, 413, 415, 422 or 429       none
    (c) no such code, JSON, 503, and a text that says that there is no such model        none
    anything else: other statuses, a body that was cut, a 2xx without an id              may exist
    ==================================================================================  ==============

    A 2xx that says success names a task, or for a type that Kling answers at once holds the result: only the type knows
    which, so :mod:`kling_provider.hooks.responses` reads it, and takes a success without either for ambiguous.

    The case (d), that the call failed before the connection was established, is decided in
    :mod:`kling_provider.hooks.connection_errors`.
    """
    if envelope.names_task or envelope.says_success:
        return TaskState.MAY_EXIST
    if envelope.kling_code is not None:
        return TaskState.MAY_EXIST if _KINDS[envelope.kling_code] is ErrorKind.SERVER else TaskState.NONE
    if http_status in _REFUSALS and envelope.form is not Form.CUT:
        return TaskState.NONE
    # With it gateways of the new-api family say that no channel has the model, before they ask anybody.
    if http_status == 503 and envelope.form is Form.JSON and _MODEL_TEXTS.search(envelope.message):
        return TaskState.NONE
    return TaskState.MAY_EXIST


def _is_success(http_status: int, envelope: Envelope) -> bool:
    if not 200 <= http_status < 300 or envelope.whole is None:
        return False
    if envelope.code is not None:
        return envelope.code == 0
    if envelope.kling_code is not None and not envelope.names_task:
        return False
    return any(key in envelope.whole for key in ("data", "id", "task_id"))


def _is_accepted(http_status: int, envelope: Envelope) -> bool:
    """Tell whether an error's status stands around an accepted create: a task is named and the words are of success."""
    return (
        http_status >= 400
        and envelope.kling_code is None
        and envelope.task_data is not None
        and (envelope.says_success or envelope.is_wrapped_response)
    )


def _choose_kind(http_status: int, envelope: Envelope, state: TaskState) -> ErrorKind:
    if envelope.kling_code is not None:
        return _KINDS[envelope.kling_code]
    if state is TaskState.NONE:
        if http_status >= 400 and _is_about_quota(envelope):
            return ErrorKind.BALANCE
        return _REFUSALS.get(http_status, ErrorKind.INVALID)
    return ErrorKind.SERVER if http_status >= 500 and envelope.whole is not None else ErrorKind.UNREADABLE


def _is_about_quota(envelope: Envelope) -> bool:
    if _RATE_TEXTS.search(envelope.message) or any(_RATE_TEXTS.search(word) for word in envelope.words):
        return False
    return any(map(_QUOTA_WORDS.search, envelope.words)) or bool(_QUOTA_TEXTS.search(envelope.message))


def _explain_redirect(location: str | None) -> str:
    """Describe a redirect, without the part of its URL that may grant access."""
    place = show_place(clean_text(location or "", 500))
    where = f" to {place}" if place else ""
    return f"the host answered with a redirect{where[:200]}, which is not followed"


def _parse_retry_after(value: str | None) -> float | None:
    """Parse ``Retry-After`` in seconds. Its date form counts as absent: no known host sends it."""
    try:
        seconds = float(value) if value else math.nan
    except ValueError:
        return None
    return max(0.0, seconds) if math.isfinite(seconds) else None

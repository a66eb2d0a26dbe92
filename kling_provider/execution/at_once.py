# SPDX-License-Identifier: Apache-2.0
"""What is different for a type that Kling answers at once: how often it may be sent, and how long its result lives."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from kling_provider.api.catalog import estimate_price, find_spec
from kling_provider.api.requests.base import KlingRequest
from kling_provider.api.tasks import RETENTION
from kling_provider.exceptions import KlingTaskNotFound
from kling_provider.storage import SavedResult
from kling_provider.submission.at_once import recover_kept_answer
from kling_provider.submission.messages import AtOnceMessages
from kling_provider.submission.sent import SentRequest, explain_another_result
from kling_provider.submission.steps import SubmissionRecord, Submitted

#: How often such a call is sent in all, while its outcome is unknown, and the most units that it may cost for that. It is
#: the one case in which the same thing may be paid more than once unasked.
MOST_CALLS = 3
_LARGEST_PRICE = Decimal("0.1")


def is_answered_at_once(type: str | None) -> bool:
    """Return whether the answer to the paid call of a type is its result."""
    spec = find_spec(type) if type else None
    return spec is not None and spec.is_answered_at_once


def count_most_calls(request: KlingRequest, on_ambiguous: str | None) -> int:
    """Return how often the paid call of a request may be sent in all tries together, while its outcome is unknown.

    :param on_ambiguous: what the user wrote; ``None`` where nothing is written.
    """
    if on_ambiguous == "stop" or not is_answered_at_once(request.type):
        return 1
    units = estimate_price(request).units
    return MOST_CALLS if units is not None and units <= _LARGEST_PRICE else 1


def recover_answer(record: SubmissionRecord, sent: SentRequest, *, host: str) -> Submitted | None:
    """Return the result that an earlier try of the same row of retries got; ``None`` where it got none.

    :raises KlingTaskNotFound: where its links, or its session, have ended.
    """
    if record.get("state") != "created":
        return None
    messages = AtOnceMessages(what=sent.label, host=host, take=sent.take, most_calls=1)
    return recover_kept_answer(record, messages)


def has_ended(saved: SavedResult, type: str) -> bool:
    """Return whether a saved result of a type answered at once is of no use any more.

    Files stay. A session dies, and so does what is a fact alone.
    """
    spec, until = find_spec(type), saved.manifest.expires_at
    if spec is None or not spec.is_answered_at_once or until is None:
        return False
    lasting = bool(saved.files) and (spec.retention is None or spec.retention >= RETENTION)
    return not lasting and datetime.fromisoformat(until) <= datetime.now(UTC)


def raise_if_ended(saved: SavedResult, sent: SentRequest) -> None:
    """Raise where a saved result is of no use any more; nothing is sent for it.

    :raises KlingTaskNotFound: with what to do.
    """
    if has_ended(saved, sent.type):
        raise KlingTaskNotFound(
            f"The result of {sent.label} was paid as {saved.manifest.kling_task_id}, and what Kling gave ended at "
            f"{str(saved.manifest.expires_at)[:16]} UTC ({saved.manifest_file} describes it). Nothing was sent. For a new, paid "
            f"one {explain_another_result(sent)}.",
            kling_task_id=saved.manifest.kling_task_id,
        )

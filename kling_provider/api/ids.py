# SPDX-License-Identifier: Apache-2.0
"""What a Kling task id says by itself, for messages about a task that a host does not know."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from kling_provider.api.tasks import RETENTION

#: Kling's ids of 18 digits (since 2025) are milliseconds since this moment, shifted by 22 bits: to the second the create
#: time in each of the recorded answers of 2025 and 2026, at Kling itself and at gateways that pass its ids on.
_EPOCH = datetime.fromtimestamp(1_568_028_519.586, UTC)
_SHIFT = 22
_DIGITS = 18
_FIRST = datetime(2025, 1, 1, tzinfo=UTC)

_ELSEWHERE = "belongs to another account or region (or, on the legacy API, to another type)"
#: A gateway has no regions.
_ELSEWHERE_THERE = "belongs to another account (or to another type of request)"


def read_create_time(kling_task_id: str) -> datetime | None:
    """Return when Kling made a task, by its id; ``None`` for an id of another form (a gateway's own, an old one)."""
    if len(kling_task_id) != _DIGITS or not (kling_task_id.isascii() and kling_task_id.isdigit()):
        return None
    return _EPOCH + timedelta(milliseconds=int(kling_task_id) >> _SHIFT)


def explain_unknown(kling_task_id: str, now: datetime | None = None, *, at_kling: bool = True) -> str:
    """Explain why a host may not know a task, to follow "…: it" in a message.

    :param now: with its time zone; default: the present.
    :param at_kling: the host is Kling's own, and no gateway.
    """
    elsewhere = _ELSEWHERE if at_kling else _ELSEWHERE_THERE
    now = now or datetime.now(UTC)
    made = read_create_time(kling_task_id)
    if made is None or not _FIRST <= made <= now + timedelta(days=1):
        return f"{elsewhere}, or it is older than {RETENTION.days} days"
    age = max(now - made, timedelta(0))
    when = f"was made on {made:%d %B %Y} by its id, {_format_age(age)} ago"
    if age > RETENTION:
        return f"{when}, and Kling forgets a task after {RETENTION.days} days"
    return (
        f"{when}, so it is not too old: it {elsewhere}, or to a sandbox that was started anew "
        "(with --state-dir it keeps its tasks)"
    )


def _format_age(age: timedelta) -> str:
    """Format an age in the largest unit of which it has at least two."""
    minutes = int(age.total_seconds() // 60)
    if minutes < 2:
        return "about a minute" if minutes else "less than a minute"
    if minutes < 120:
        return f"{minutes} minutes"
    hours = minutes // 60
    return f"{hours} hours" if hours < 48 else f"{hours // 24} days"

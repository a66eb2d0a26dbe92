# SPDX-License-Identifier: Apache-2.0
"""A Kling task as both API designs describe it: state, results, cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any

#: Kling keeps results for 30 days; the signed link's own expiry equals ``updated_at`` plus this,
#: to the second, in every recorded answer.
RETENTION = timedelta(days=30)


class TaskStatus(StrEnum):
    """Where a task stands, in the standard API's words."""

    SUBMITTED = "submitted"
    PROCESSING = "processing"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    #: An undocumented word. Never success, and never waited on for ever.
    UNKNOWN = "unknown"

    @property
    def running(self) -> bool:
        """Tell whether the task still waits or renders."""
        return self in (TaskStatus.SUBMITTED, TaskStatus.PROCESSING)

    @property
    def ended(self) -> bool:
        """Tell whether the task has succeeded or failed."""
        return self in (TaskStatus.SUCCEEDED, TaskStatus.FAILED)


@dataclass(frozen=True, slots=True)
class Output:
    """One result of a task. ``url`` is signed and dies with the task's retention: never log it."""

    type: str
    id: str | None = None
    url: str | None = field(default=None, repr=False)
    watermark_url: str | None = field(default=None, repr=False)
    #: Seconds; Kling sends text such as ``"5.041"`` and may leave it out.
    duration: float | None = None
    #: Facts that are no file: the faces of a session, the masks of a selection. They may hold links and base64: never log
    #: them.
    details: Mapping[str, Any] | None = field(default=None, repr=False)
    #: Of images that belong together, in Kling's words.
    group_id: str | None = None


@dataclass(frozen=True, slots=True)
class Billing:
    """What one task cost. ``amount`` counts units (``unit``) or money in ``currency`` (``cash``)."""

    charge_type: str | None
    amount: Decimal
    currency: str | None = None
    package_type: str | None = None
    cash_type: str | None = None
    list_price: Decimal | None = None


@dataclass(frozen=True, slots=True)
class KlingTask:
    """One task at Kling, read from either API design."""

    kling_task_id: str
    status: TaskStatus
    #: The word as it came over the wire.
    status_word: str = ""
    #: Kling's reason for a failure; empty otherwise.
    message: str = ""
    external_task_id: str | None = None
    outputs: tuple[Output, ...] = ()
    billing: tuple[Billing, ...] = ()
    created_at: datetime | None = None
    updated_at: datetime | None = None
    #: How long its links live from ``updated_at`` on, or the session that it opened; ``None``: until somebody deletes it.
    retention: timedelta | None = RETENTION

    @property
    def word(self) -> str:
        """Return the status for people: the standard API's word in both designs; an undocumented one as it came."""
        return (
            self.status.value if self.status is not TaskStatus.UNKNOWN else self.status_word[:40] or "unknown"
        )

    @property
    def finished_at(self) -> datetime | None:
        """Return when the task ended, in UTC; ``None`` while it has not."""
        return self.updated_at if self.status.ended else None

    @property
    def expires_at(self) -> datetime | None:
        """Return when the links of a finished task, or its session, expire, in UTC; ``None`` for any other task."""
        if self.status is not TaskStatus.SUCCEEDED or self.updated_at is None or self.retention is None:
            return None
        return self.updated_at.replace(microsecond=0) + self.retention

    @property
    def moderated(self) -> bool:
        """Tell whether a failed task was refused for its content. Only its text says so: it has no code."""
        words = self.message.lower()
        return self.status is TaskStatus.FAILED and any(sign in words for sign in _MODERATION_SIGNS)


#: Texts of failed tasks that mean moderation. Seen live: "Failure to pass the risk control system".
_MODERATION_SIGNS = ("risk control", "content safety", "sensitive", "moderation", "platform policy", "violat")

# SPDX-License-Identifier: Apache-2.0
"""What there is to say of a Kling task, in the words that XCom, asset event, lineage, manifest, message and card share."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from kling_provider.api.tasks import Billing, KlingTask


class ResultFacts(BaseModel):
    """The facts of one Kling task as plain JSON; what is not known is ``None``.

    Times are ISO 8601 in UTC with milliseconds, amounts decimal text. No field ever holds a link or a secret.

    A new fact of a request is a field here, and one of what is sent; a new fact of a task is a field here, and a line in
    :meth:`with_task`. Whatever tells of results takes it from here.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", protected_namespaces=())

    name: str | None = None
    #: The kind of request.
    type: str | None = None
    prompt: str | None = None
    model: str | None = None
    take: int = 0
    kling_task_id: str | None = None
    external_task_id: str | None = None
    #: Units and money are separate entries.
    billing: list[dict[str, Any]] = []
    created_at: str | None = None
    finished_at: str | None = None
    expires_at: str | None = None

    @classmethod
    def of_request(cls, request: Any, *, type: str | None = None) -> ResultFacts:
        """Return the facts that a request itself states.

        :param request: a request or what was sent of it; ``None`` where it is unknown.
        :param type: the kind of request, where ``request`` does not say it.
        """
        known = {name: getattr(request, name) for name in cls.model_fields if hasattr(request, name)}
        if request is not None:
            known["prompt"] = request.summary.prompt
        return cls.model_validate({**known, "type": type or known.get("type")})

    def with_task(self, task: KlingTask) -> ResultFacts:
        """Return these facts with those of a task at Kling."""
        return self.model_copy(
            update={
                "kling_task_id": task.kling_task_id,
                "external_task_id": task.external_task_id or self.external_task_id,
                "billing": _billing_facts(task.billing),
                "created_at": format_time(task.created_at),
                "finished_at": format_time(task.finished_at),
                "expires_at": format_time(task.expires_at),
            }
        )

    def to_json(self) -> dict[str, Any]:
        """Return the facts alone, also of a subclass with further fields."""
        return {name: getattr(self, name) for name in ResultFacts.model_fields}


def format_time(value: datetime | None) -> str | None:
    """Format a time as ISO 8601 in UTC with milliseconds: ``2026-11-24T06:00:12.345+00:00``."""
    return None if value is None else value.astimezone(UTC).isoformat(timespec="milliseconds")


def _billing_facts(billing: Iterable[Billing]) -> list[dict[str, Any]]:
    """Return what a task cost as JSON; amounts are text without an exponent."""
    return [
        {"charge_type": one.charge_type, "amount": format(one.amount, "f"), "currency": one.currency}
        for one in billing
    ]

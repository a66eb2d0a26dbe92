# SPDX-License-Identifier: Apache-2.0
"""The facts of a result, under the same names in XComs, asset events, lineage, manifests, messages and the gallery."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

from pydantic import BaseModel, ConfigDict

from kling_provider.api.catalog import find_spec
from kling_provider.api.tasks import Billing, KlingTask

if TYPE_CHECKING:
    from kling_provider.api.requests.base import Summary


class DescribedRequest(Protocol):
    """A request that can say what it asks for. Its attributes that are named like a fact are taken as facts."""

    @property
    def summary(self) -> Summary:
        """Return the request in a few facts for people."""


class ResultFacts(BaseModel):
    """The facts of one Kling task in values that JSON can hold; ``None`` where a fact is unknown.

    Times are ISO 8601 in UTC with milliseconds, amounts are decimal text. No field holds a link or a secret.

    To add a fact of the request, add a field here and to :class:`~kling_provider.submission.sent.SentRequest`. To add a fact
    of the task, add a field here and a line to :meth:`with_task`.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", protected_namespaces=())

    name: str | None = None
    #: The type of the request: ``text_to_video``.
    type: str | None = None
    prompt: str | None = None
    model: str | None = None
    take: int = 0
    kling_task_id: str | None = None
    external_task_id: str | None = None
    #: How often the paid call was sent, of a type that Kling answers at once; each may have been billed.
    times_sent: int | None = None
    #: ``charge_type``, ``amount``, ``currency`` and, of units, ``package_type`` (``video``, ``image``) of each charge: units of
    #: one kind of pack, of another, and money are separate entries.
    billing: list[dict[str, Any]] = []
    created_at: str | None = None
    finished_at: str | None = None
    expires_at: str | None = None

    @classmethod
    def of_request(cls, request: DescribedRequest | None, *, type: str | None = None) -> ResultFacts:
        """Return the facts that are known from the request alone.

        :param request: a ``KlingRequest`` or a ``SentRequest``; ``None`` if it is unknown.
        :param type: the type of the request, if ``request`` is ``None`` or has none.
        """
        known = {name: getattr(request, name) for name in cls.model_fields if hasattr(request, name)}
        if request is not None:
            known["prompt"] = request.summary.prompt
        return cls.model_validate({**known, "type": type or known.get("type")})

    def with_task(self, task: KlingTask) -> ResultFacts:
        """Return a copy with the facts of the task at Kling."""
        return self.model_copy(
            update={
                "kling_task_id": task.kling_task_id,
                "external_task_id": task.external_task_id or self.external_task_id,
                "billing": _billing_facts(task.billing, self.type),
                "created_at": format_time(task.created_at),
                "finished_at": format_time(task.finished_at),
                "expires_at": format_time(task.expires_at),
            }
        )

    def to_json(self) -> dict[str, Any]:
        """Return the facts as a dict that JSON can hold, without the further fields of a subclass."""
        return {name: getattr(self, name) for name in ResultFacts.model_fields}


def format_time(value: datetime | None) -> str | None:
    """Format a time as ISO 8601 in UTC with milliseconds: ``2026-11-24T06:00:12.345+00:00``."""
    return None if value is None else value.astimezone(UTC).isoformat(timespec="milliseconds")


def parse_time(value: Any) -> datetime | None:
    """Parse an ISO 8601 time, which is UTC without an offset; return ``None`` for anything else."""
    try:
        found = datetime.fromisoformat(value)
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (TypeError, ValueError, OverflowError):
        return None


def _billing_facts(billing: Iterable[Billing], type: str | None) -> list[dict[str, Any]]:
    """Return the charges of a task as dicts that JSON can hold; amounts are text without an exponent."""
    return [
        {
            "charge_type": one.charge_type,
            "amount": format(one.amount, "f"),
            "currency": one.currency,
            "package_type": find_package(one.package_type, type) if one.charge_type == "unit" else None,
        }
        for one in billing
    ]


def find_package(package_type: str | None, type: str | None) -> str | None:
    """Return the kind of pack that units were taken from: what Kling says, else that of the type of the request.

    :param package_type: of the charge; the legacy API does not tell it.
    :param type: of the request; ``None`` where neither is known.
    """
    spec = find_spec(type) if type else None
    return package_type or (None if spec is None else spec.package)

# SPDX-License-Identifier: Apache-2.0
"""Keep the answer of a call that Kling answers at once, so that a later try delivers it: nobody can be asked for it again."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from kling_provider.api.details import LARGEST, count_bytes, fit_details
from kling_provider.api.result_facts import parse_time
from kling_provider.api.tasks import Billing, KlingTask, Output, TaskStatus


def keep_answer(task: KlingTask) -> dict[str, Any]:
    """Return the result as JSON of at most :data:`~kling_provider.api.details.LARGEST` bytes, with its links.

    The record is the one place beside the XCom that holds links: without them a later try could deliver nothing.
    Texts of the outputs' details that are too long, such as masks, are left out, and their place says so.
    """
    kept: dict[str, Any] = {
        "kling_task_id": task.kling_task_id,
        "outputs": [
            {
                "type": one.type,
                "id": one.id,
                "url": one.url,
                "watermark_url": one.watermark_url,
                "duration": one.duration,
            }
            for one in task.outputs
        ],
        "billing": [
            {
                "charge_type": one.charge_type,
                "amount": format(one.amount, "f"),
                "currency": one.currency,
                "list_price": None if one.list_price is None else format(one.list_price, "f"),
            }
            for one in task.billing
        ],
        "created_at": task.created_at.isoformat() if task.created_at else None,
        "updated_at": task.updated_at.isoformat() if task.updated_at else None,
        "lives": None if task.retention is None else task.retention.total_seconds(),
    }
    room = LARGEST - count_bytes(kept)
    for output, details in zip(
        kept["outputs"], fit_details([one.details for one in task.outputs], room), strict=True
    ):
        output["details"] = details
    return kept


def read_kept_answer(kept: Any) -> KlingTask | None:
    """Read what :func:`keep_answer` gave; ``None`` for anything else."""
    if not isinstance(kept, Mapping):
        return None
    try:
        return KlingTask(
            kling_task_id=str(kept["kling_task_id"]),
            status=TaskStatus.SUCCEEDED,
            status_word=TaskStatus.SUCCEEDED.value,
            outputs=tuple(
                Output(
                    one["type"],
                    id=one.get("id"),
                    url=one.get("url"),
                    watermark_url=one.get("watermark_url"),
                    duration=one.get("duration"),
                    details=one.get("details"),
                )
                for one in kept["outputs"]
            ),
            billing=tuple(
                Billing(
                    one.get("charge_type"),
                    Decimal(one["amount"]),
                    currency=one.get("currency"),
                    list_price=Decimal(one["list_price"]) if one.get("list_price") else None,
                )
                for one in kept.get("billing") or ()
            ),
            created_at=_read_time(kept.get("created_at")),
            updated_at=_read_time(kept.get("updated_at")),
            retention=None if kept["lives"] is None else timedelta(seconds=kept["lives"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError, InvalidOperation):
        return None


def _read_time(text: Any) -> datetime | None:
    if text is None:
        return None
    if (read := parse_time(text)) is None:
        raise ValueError("must be a time")
    return read

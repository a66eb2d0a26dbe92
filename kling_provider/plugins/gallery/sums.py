# SPDX-License-Identifier: Apache-2.0
"""Count the videos by state, and sum up what was paid for them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from sqlalchemy.orm import Session

from kling_provider.api.result_facts import find_package
from kling_provider.plugins.gallery.events import Finished, list_all
from kling_provider.plugins.gallery.filters import Filters
from kling_provider.plugins.gallery.jobs import count_jobs

#: The most asset events, and jobs, that are summed up.
_MOST = 5000


def sum_up(session: Session, filters: Filters) -> dict[str, Any]:
    """Sum up the videos that the filters want.

    ``states`` counts by the state of a card, of finished ones by where they are: ``saved`` or ``at_kling``. ``videos``
    are the finished ones, ``again`` those of them that another run has paid for, ``paid`` the cost of the others, by
    currency (``None``: units, apart for each kind of pack). ``whole`` is false where there are too many videos to count; then only jobs are.
    """
    finished = list_all(session, filters, _MOST)
    found = finished or []
    states = Counter(_find_state(one) for one in found)
    states.update(count_jobs(session, filters, _MOST if finished is not None else 1000))
    return {
        "whole": finished is not None,
        "videos": len(found),
        "again": sum(one.again for one in found),
        "states": dict(states),
        "paid": _sum_paid(found),
    }


def _find_state(one: Finished) -> str:
    if one.read.facts is None:
        return "unreadable"
    return "saved" if any(file.file for file in one.read.facts.files) else "at_kling"


def _sum_paid(found: Iterable[Finished]) -> list[dict[str, str | None]]:
    """Sum up what was paid, by currency, and units by kind of pack; what was delivered again was paid by another run."""
    sums: dict[tuple[str | None, str | None], Decimal] = {}
    for one in found:
        if one.again or one.read.facts is None:
            continue
        for charge in one.read.facts.billing:
            package = None if charge.currency else find_package(charge.package_type, one.read.facts.type)
            kind = charge.currency, package or (None if charge.currency else "video")
            sums[kind] = sums.get(kind, Decimal(0)) + charge.amount
    return [
        {"currency": currency, "package_type": package, "amount": f"{amount:f}"}
        for (currency, package), amount in sums.items()
    ]

# SPDX-License-Identifier: Apache-2.0
"""Count the results by state and type, and sum up what was paid for them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from sqlalchemy.orm import Session

from kling_provider.api.catalog import DEFAULT_TYPE, find_noun
from kling_provider.api.result_facts import find_package
from kling_provider.plugins.gallery.events import Finished, list_all
from kling_provider.plugins.gallery.facts import VideoFacts
from kling_provider.plugins.gallery.filters import Filters
from kling_provider.plugins.gallery.jobs import count_jobs

#: The most asset events, and jobs, that are summed up.
_MOST = 5000
_NOTHING = VideoFacts()


def sum_up(session: Session, filters: Filters) -> dict[str, Any]:
    """Sum up the results that the filters want, finished or not.

    ``states`` counts by the state of a card, of finished ones by where they are: ``saved`` or ``at_kling``. ``types``
    counts by type, and ``noun`` is what people call them if that is one word for all. ``finished`` are the finished ones,
    ``again`` those of them that another run has paid for, ``paid`` the cost of the others, by currency (``None``: units,
    apart for each kind of pack). ``whole`` is false where there are too many to count; then only jobs are.
    """
    finished = list_all(session, filters, _MOST)
    found = finished or []
    states = Counter(_find_state(one) for one in found)
    types = Counter((one.read.facts or _NOTHING).type or DEFAULT_TYPE for one in found)
    for (state, type_), number in count_jobs(
        session, filters, _MOST if finished is not None else 1000
    ).items():
        states[state] += number
        types[type_] += number
    nouns = {find_noun(type_) for type_ in types}
    return {
        "whole": finished is not None,
        "finished": len(found),
        "types": dict(types),
        "noun": nouns.pop() if len(nouns) == 1 else "result",
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

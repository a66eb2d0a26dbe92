# SPDX-License-Identifier: Apache-2.0
"""Keep one result to ``max_units``: the most that may be paid for it, before anything is sent."""

from __future__ import annotations

from decimal import Decimal

from kling_provider.api.billing import format_amount
from kling_provider.exceptions import KlingBudgetError
from kling_provider.execution.at_once import MOST_CALLS, count_most_calls
from kling_provider.execution.plan import RequestPlan


def check_max_units(plan: RequestPlan, max_units: Decimal | None, on_ambiguous: str | None) -> None:
    """Check that no more than ``max_units`` can be paid for the result of ``plan``, at list price.

    :param on_ambiguous: what the user wrote; ``None`` where nothing is written.
    :raises KlingBudgetError: where more can be paid, or where the price is unknown; nothing was sent.
    """
    if max_units is None:
        return
    price, most = plan.price, _compute_most_units(plan, on_ambiguous)
    if most is not None and most <= max_units:
        return
    if most is None:
        must = f"must be left out for {plan.label}, whose price in units is not known ({price.as_text()})"
        way = "Leave max_units out, or write a model of the price list."
    elif most != price.units:
        must = (
            f"must be {format_amount(most)} or more for {plan.label}, which costs {price.as_text()} and may be paid up to "
            f"{MOST_CALLS} times where Kling answers at once"
        )
        way = 'Raise max_units, or write on_ambiguous="stop", which sends once.'
    else:
        must = f"must be {format_amount(most)} or more for {plan.label}, which costs {price.as_text()}"
        way = (
            "Raise max_units, or write a shorter duration or a lower resolution."
            if price.package == "video"
            else f"max_units counts {price.package} units here: raise it, or ask for fewer images or a lower resolution."
        )
    raise KlingBudgetError(f"max_units {must}; found {max_units}. Nothing was sent, nothing is billed. {way}")


def _compute_most_units(plan: RequestPlan, on_ambiguous: str | None) -> Decimal | None:
    """Compute the most units that may be paid: calls that Kling answers at once count as often as they may be sent.

    :return: ``None`` where the price is unknown.
    """
    if plan.price.units is None:
        return None
    most = plan.price.units
    own = plan.price.units
    for one in plan.preparation:
        units = one.price.units or Decimal(0)
        own -= units
        most += (count_most_calls(one.request, on_ambiguous) - 1) * units
    return most + (count_most_calls(plan.request, on_ambiguous) - 1) * own

# SPDX-License-Identifier: Apache-2.0
"""Plan a request with another model if the host no longer has its own. It is the same result, so at most one is paid."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from kling_provider.api.catalog import estimate_price
from kling_provider.api.hosts import Lock
from kling_provider.exceptions import KlingRequestError
from kling_provider.execution.plan import RequestPlan
from kling_provider.hooks.kling import KlingHook

log = logging.getLogger(__name__)


def plan_next_model(
    hook: KlingHook,
    plan: RequestPlan,
    models: Sequence[str],
    *,
    first: RequestPlan,
    max_units: Decimal | None,
) -> RequestPlan | None:
    """Plan the request of ``plan`` with the next of ``models``; ``None`` where none is left that may be sent.

    Each is checked and priced as the first one was. It is never dearer than ``max_units`` or, without one, than the first
    choice at list price. Identity and place stay those of the first choice.

    :param models: in the order in which they are tried.
    :param first: the plan with the model that the request names.
    :param max_units: the most units that the result may cost.
    """
    if (current := plan.request.model) is None:
        return None  # a type without models
    names = [plan.request.spell_model(model) for model in models]
    left = names[names.index(current) + 1 :] if current in names else names
    for model in left:
        if model in (first.request.model, current):
            continue
        try:
            planned = _plan_with_model(hook, plan, model)
        except KlingRequestError as why:
            log.warning("The fallback %s is passed over: %s", model, why)
            continue
        if reason := _find_objection(planned, first, max_units):
            log.warning("The fallback %s is passed over: %s.", model, reason)
            continue
        log.warning(
            "%s has no %s: trying %s, for %s.",
            hook.connection.host,
            current,
            model,
            planned.price.as_text(),
        )
        return planned
    return None


def _plan_with_model(hook: KlingHook, plan: RequestPlan, model: str) -> RequestPlan:
    """Return ``plan`` with another model: checked anew, priced anew, and the same intended result.

    :raises KlingRequestError: where the request is wrong for that model.
    """
    request = hook.validate_request({**plan.data, "model": model})
    connection = hook.connection
    return replace(
        plan,
        request=request,
        wire=plan.wire.model_copy(update={"model": request.model}),
        data={**plan.data, "model": request.model},
        shown={**plan.shown, "model": request.model},
        price=connection.price_request(request, plan.seconds),
        lock=connection.profile.find_lock(request),
    )


def describe_successor(hook: KlingHook, plan: RequestPlan) -> str | None:
    """Describe the model that stands nearest to one that the host has no more, and what it costs for this request.

    ``None`` where no other model serves the type.
    """
    if (successor := plan.request.find_successor()) is None:
        return None
    try:
        price = _plan_with_model(hook, plan, successor).price.as_text()
    except KlingRequestError:
        return f"{successor} needs other settings than this request has"
    return f"{successor} would cost {price}"


def _find_objection(planned: RequestPlan, first: RequestPlan, max_units: Decimal | None) -> str:
    if planned.pay_once_per == "account" and planned.lock is not Lock.LOCKED:
        return "pay_once_per='account' needs a model with a lock"
    # In units of the list: a host's own price of a unit is the same for both.
    units, limit = estimate_price(planned.request, planned.seconds).units, max_units
    if limit is None:
        limit = estimate_price(first.request, first.seconds).units
    if units is None or limit is None:
        return "whether it is dearer is not known"
    return f"it costs {units} units, and the most is {limit}" if units > limit else ""

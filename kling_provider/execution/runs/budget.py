# SPDX-License-Identifier: Apache-2.0
"""One try of a budget: price a list, compare, pass it on or stop it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowSkipException

from kling_provider.api.billing import format_amount, units_text, usd_text
from kling_provider.api.catalog import spec_of
from kling_provider.exceptions import KlingBudgetError, KlingRequestError
from kling_provider.execution.failures import report_failures
from kling_provider.execution.found import find_paid, read_list
from kling_provider.execution.payer import Payer
from kling_provider.execution.plan import RequestPlan, plan_request
from kling_provider.execution.quote import Quote, quote_list
from kling_provider.hooks.kling import KlingHook

if TYPE_CHECKING:
    from airflow.sdk import Context

    from kling_provider.operators.budget import KlingBudgetOperator

log = logging.getLogger(__name__)


def check_budget(operator: KlingBudgetOperator, context: Context) -> Any:
    """Quote the list of requests, and return it where it keeps to the limits.

    :raises KlingBudgetError: where it does not.
    :raises AirflowSkipException: where it does not, with ``on_exceed="skip"``.
    """
    with report_failures(context):
        operator.check_rendered()
        quote = _quote_requests(operator, context)
        log.info("What this list costs:\n%s", quote.format_table())
        if reasons := _find_exceeded(operator, quote):
            text = f"The list is not passed on, nothing was sent: {'; '.join(reasons)}."
            if operator.on_exceed == "skip":
                raise AirflowSkipException(text)
            raise KlingBudgetError(text)
        return operator.requests


def _quote_requests(operator: KlingBudgetOperator, context: Context) -> Quote:
    task = operator.find_paying_task()
    if task is None:
        raise KlingRequestError(operator.explain_no_paying_task())
    payer = Payer.of_task(task)
    if payer.unknown:
        log.info(
            "%s of task %s are mapped and not known yet: files are not looked for.",
            ", ".join(payer.unknown),
            payer.task_id,
        )
    conn_id: Any = operator.kling_conn_id or operator.render_template(payer.kling_conn_id, context)
    hook = KlingHook(conn_id)

    def prepare_plan(request: Any, index: int) -> tuple[RequestPlan, Mapping[str, Any]]:
        own = payer.build_context(context, index, request)
        plan = plan_request(
            hook,
            request,
            own,
            pay_once_per=operator.pay_once_per or payer.pay_once_per,
            inputs=payer.find_inputs(operator, own),
            place=payer.find_place(operator, own),
        )
        return plan, own

    wanted = read_list(operator.requests, prepare_plan)
    return quote_list(hook, wanted, find_paid(hook, wanted))


def _find_exceeded(operator: KlingBudgetOperator, quote: Quote) -> list[str]:
    """Say every limit that the list would break, in words with the sums."""
    reasons = []
    new, units, usd, flight = len(quote.new_lines), quote.units, quote.usd, quote.in_flight_units
    if operator.max_requests is not None and new > operator.max_requests:
        nouns = {spec_of(line.wanted.plan.request).noun for line in quote.new_lines}
        noun = nouns.pop() if len(nouns) == 1 else "result"
        videos = f"1 {noun}" if new == 1 else f"{new} {noun}s"
        reasons.append(
            f"max_requests must be {new} or more ({videos} to be paid); found {operator.max_requests}"
        )
    unpriced = ", ".join(line.label for line in quote.unpriced_lines[:5])
    if operator.max_units is not None and units is None:
        reasons.append(f"no known price for {unpriced}, so max_units cannot be kept")
    # Each kind of pack for itself: a unit of one is worth another sum than a unit of the other.
    for package, amount in (units or {}).items():
        total = amount + flight[package]
        paid = (
            f"{units_text(amount, package)} to be paid and {units_text(flight[package], package)} in flight"
        )
        if operator.max_units is not None and total > operator.max_units:
            reasons.append(
                f"max_units must be {format_amount(total)} or more ({paid}); found {operator.max_units}"
            )
        left = None if quote.units_left is None else quote.units_left[package]
        if left is not None and amount and total > left:
            reasons.append(f"{paid}, and the account has {units_text(left, package)} left")
    if operator.max_usd is not None:
        if usd is None:
            reasons.append(f"no known price for {unpriced}, so max_usd cannot be kept")
        elif usd > operator.max_usd:
            reasons.append(
                f"max_usd must be {usd_text(usd)} or more, the list price of what is to be paid; found {operator.max_usd}"
            )
    return reasons

# SPDX-License-Identifier: Apache-2.0
"""Submit a request. Nothing heavy is imported at the top: every worker start parses the Dag file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from kling_provider.arguments import (
    Argument,
    accept_amount,
    accept_duration,
    accept_flag,
    accept_inputs,
    accept_request,
    accept_text,
    accept_texts,
    accept_word,
    with_dicts,
)
from kling_provider.operators.base import KlingOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from kling_provider.execution.runs.submit import SubmitRun


class KlingSubmitOperator(KlingOperator):
    """Submit a request to Kling, and push the Kling task id to XCom. A request is paid once.

    A retry or a clear adopts the task that exists, even if a process died between the paid call and its response. While
    the account is at its concurrency limit the task defers and holds no worker.

    Settings are checked when the operator is made, those of mapped tasks on the worker before anything is sent.

    :param request: the request, for example ``{"prompt": "A red panda", "duration": 5}``. (templated)
    :param inputs: results of other tasks, by the field of the request that takes each:
        ``{"first_frame": picture.output}``. An input wins over the request. (templated)
    :param kling_conn_id: the id of the connection. (templated)
    :param pay_once_per: the scope in which equal requests are paid once: ``run``, ``dag`` or ``account``.
    :param on_ambiguous: what to do where there is no lock when it is unknown whether a paid call made a task: ``stop``
        with the facts, or ``resubmit`` at the risk of paying twice. Not given: ``stop``, but what Kling answers at once for
        at most 0.1 unit is sent up to three times in all.
    :param max_units: the most units that this result may cost at list price, video units or image units as its type is
        paid; above it nothing is sent. What may be sent three times counts three times.
    :param model_fallbacks: the models to try, in this order, where the host has the request's own no more. Each is checked
        and priced again; it is never dearer than ``max_units`` or, without one, than the first choice. It is the same
        result: at most one is paid.
    :param plan_only: whether to do everything but the paid call: the XCom is then the exact HTTP body and the price, or
        the task that exists already. (Airflow's own ``dry_run`` is a method of operators.)
    :param queue_timeout: the longest wait at the account's concurrency limit: seconds or a timedelta, above 0 and at most
        30 days.
    :param deferrable: whether to wait in the triggerer; ``False`` waits in the worker.
    """

    template_fields: Sequence[str] = ("request", "inputs", "kling_conn_id")
    pays = True
    arguments: ClassVar[Mapping[str, Argument]] = {
        "request": accept_request(),
        "inputs": accept_inputs(),
        "kling_conn_id": accept_text("the id of a connection"),
        "pay_once_per": accept_word("run", "dag", "account"),
        "on_ambiguous": accept_word("stop", "resubmit", optional=True),
        "max_units": accept_amount(),
        "model_fallbacks": accept_texts("models, such as ['kling-3.0']"),
        "plan_only": accept_flag(),
        "queue_timeout": accept_duration(),
        "deferrable": accept_flag(),
    }

    def __init__(
        self,
        *,
        request: Mapping[str, Any],
        inputs: Mapping[str, Any] | None = None,
        kling_conn_id: str = "kling_default",
        pay_once_per: Literal["run", "dag", "account"] = "run",
        on_ambiguous: Literal["stop", "resubmit"] | None = None,
        max_units: float | None = None,
        model_fallbacks: Sequence[str] = (),
        plan_only: bool = False,
        queue_timeout: float | timedelta = timedelta(hours=24),
        deferrable: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.request = with_dicts(request)
        self.inputs = with_dicts(inputs)
        self.kling_conn_id = kling_conn_id
        self.pay_once_per = pay_once_per
        self.on_ambiguous = on_ambiguous
        self.max_units = max_units
        self.model_fallbacks = model_fallbacks
        self.plan_only = plan_only
        self.queue_timeout = queue_timeout
        self.deferrable = deferrable

    def execute(self, context: Context) -> Any:
        """Submit the request, or adopt the task that was submitted for it."""
        return self._make_run(context).submit()

    def execute_after_queue(self, context: Context, event: dict[str, Any]) -> Any:
        """Submit the request after a wait at the account's concurrency limit; nothing was sent before.

        :param context: the context of the task instance.
        :param event: the event of :class:`~kling_provider.triggers.kling.KlingConcurrencyTrigger`.
        """
        return self._make_run(context).submit(queue=event)

    def make_request(self, context: Context) -> Any:
        """Return the request to send; this is called just before it is checked and priced."""
        return self.request

    def _make_run(self, context: Context) -> SubmitRun:
        from kling_provider.execution.runs.submit import SubmitRun

        return SubmitRun(self, context)

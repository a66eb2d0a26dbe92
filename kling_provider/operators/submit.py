# SPDX-License-Identifier: Apache-2.0
"""Have Kling make a video. Nothing heavy is imported at the top: every worker start parses the DAG file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from kling_provider.arguments import (
    Argument,
    accept_amount,
    accept_duration,
    accept_flag,
    accept_request,
    accept_text,
    accept_word,
    with_dicts,
)
from kling_provider.operators.base import KlingOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from kling_provider.execution.runs.submit import SubmitRun


class KlingSubmitOperator(KlingOperator):
    """Has Kling make one video, and pushes the Kling task id to XCom. Paid once, whatever dies.

    A retry, a clear or a second run adopts the task that exists. Where the account has no free slot the
    task defers and holds no worker.

    Settings are checked when the operator is made, those of mapped tasks on the worker before anything is sent.

    :param request: what to make, for example ``{"prompt": "A red panda", "duration": 5}``. (templated)
    :param kling_conn_id: the connection. (templated)
    :param pay_once_per: how far the same request is paid once: ``run``, ``dag`` or ``content`` (the account).
    :param on_ambiguous: at a host without a lock, when nobody knows whether a paid call made a task: ``stop``
        with the facts, or ``resubmit`` at the risk of paying twice.
    :param max_units: the most that this video may cost at list price, in units; above it nothing is sent.
    :param plan_only: everything but the paid call: the XCom is the exact HTTP body and the price, or the task
        that exists already. (Airflow's own ``dry_run`` is a method of operators.)
    :param slot_timeout: the longest wait for a free slot: seconds or a timedelta, above 0 and at most 30 days.
    :param deferrable: ``False`` waits in the worker.
    """

    template_fields: Sequence[str] = ("request", "kling_conn_id")
    pays = True
    arguments: ClassVar[Mapping[str, Argument]] = {
        "request": accept_request(),
        "kling_conn_id": accept_text("the id of a connection"),
        "pay_once_per": accept_word("run", "dag", "content"),
        "on_ambiguous": accept_word("stop", "resubmit"),
        "max_units": accept_amount(),
        "plan_only": accept_flag(),
        "slot_timeout": accept_duration(),
        "deferrable": accept_flag(),
    }

    def __init__(
        self,
        *,
        request: Mapping[str, Any],
        kling_conn_id: str = "kling_default",
        pay_once_per: Literal["run", "dag", "content"] = "run",
        on_ambiguous: Literal["stop", "resubmit"] = "stop",
        max_units: float | None = None,
        plan_only: bool = False,
        slot_timeout: float | timedelta = timedelta(hours=24),
        deferrable: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.request = with_dicts(request)
        self.kling_conn_id = kling_conn_id
        self.pay_once_per = pay_once_per
        self.on_ambiguous = on_ambiguous
        self.max_units = max_units
        self.plan_only = plan_only
        self.slot_timeout = slot_timeout
        self.deferrable = deferrable

    def execute(self, context: Context) -> Any:
        """Submit the request, or find what was submitted for it."""
        return self._run(context).submit()

    def resume_slot(self, context: Context, event: dict[str, Any]) -> Any:
        """Go on after the wait for the account's concurrency: nothing was sent, so the request of now counts."""
        return self._run(context).submit(queue=event)

    def make_request(self, context: Context) -> Any:
        """Return the request that is to be sent; called just before it is checked and priced."""
        return self.request

    def _run(self, context: Context) -> SubmitRun:
        from kling_provider.execution.runs.submit import SubmitRun

        return SubmitRun(self, context)

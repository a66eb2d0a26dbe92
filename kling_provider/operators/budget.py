# SPDX-License-Identifier: Apache-2.0
"""A gate before the money: price a whole list, compare, pass it on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from kling_provider.arguments import (
    Argument,
    accept_amount,
    accept_count,
    accept_requests,
    accept_text,
    accept_word,
    with_dicts,
)
from kling_provider.assets import video_asset
from kling_provider.operators.base import KlingOperator
from kling_provider.operators.paying_task import explain_no_paying_task, find_paying_task

if TYPE_CHECKING:
    from airflow.sdk import Asset, Context


class KlingBudgetOperator(KlingOperator):
    """Prices a list of requests before the first paid call, and passes it on or stops it. It pays nothing.

    It checks every request and finds out which are paid already: where the paying task would look (its destination, the
    memory of what earlier runs paid, Kling), and of equal requests all but one. It prices the others at list price, adds
    what the account has in flight, and compares with your limits and with what the account still has. The table is in
    the log, the list is the XCom, for ``.expand(request=budget.output)``.

    :param requests: the list, as ``load_prompts`` returns it. (templated)
    :param max_requests: how many may be paid.
    :param max_units: units that may be spent, tasks in flight included.
    :param max_usd: dollars that may be spent, at list price.
    :param on_exceed: ``fail``, or ``skip`` what follows.
    :param video_task_id: the task that will pay; default: the only task after this one that pays.
    :param pay_once_per: its setting; default: read from that task.
    :param kling_conn_id: the connection; default: that of the task that will pay. (templated)
    """

    template_fields: Sequence[str] = ("requests", "kling_conn_id")
    template_fields_renderers: ClassVar[dict[str, str]] = {"requests": "json"}
    operator_extra_links = ()
    ui_color = "#fdf3dc"
    arguments: ClassVar[Mapping[str, Argument]] = {
        "requests": accept_requests(),
        "max_requests": accept_count(),
        "max_units": accept_amount(),
        "max_usd": accept_amount(),
        "on_exceed": accept_word("fail", "skip"),
        "video_task_id": accept_text("the id of the task that will pay", optional=True),
        "pay_once_per": accept_word("run", "dag", "content", optional=True),
        "kling_conn_id": accept_text("the id of a connection", optional=True),
    }

    def __init__(
        self,
        *,
        requests: Sequence[Mapping[str, Any]],
        max_requests: int | None = None,
        max_units: float | None = None,
        max_usd: float | None = None,
        on_exceed: Literal["fail", "skip"] = "fail",
        video_task_id: str | None = None,
        pay_once_per: Literal["run", "dag", "content"] | None = None,
        kling_conn_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.requests: Any = with_dicts(requests)
        self.max_requests = max_requests
        self.max_units = max_units
        self.max_usd = max_usd
        self.on_exceed = on_exceed
        self.video_task_id = video_task_id
        self.pay_once_per = pay_once_per
        self.kling_conn_id = kling_conn_id

    def find_paying_task(self) -> Any:
        """Return the task that will pay; ``None`` where that cannot be told, or not yet."""
        return find_paying_task(self, self.dag, self.video_task_id)

    def explain_no_paying_task(self) -> str:
        """Say why no task is known that will pay."""
        return explain_no_paying_task(self, self.dag, self.video_task_id)

    @property
    def _asset(self) -> Asset | None:
        """The paying task's: by its store runs remember what they paid (Airflow 3.3)."""
        paying = self.find_paying_task() if self.has_dag() else None  # type: ignore[no-untyped-call]
        return None if paying is None else video_asset(self.dag_id, paying.task_id)

    def execute(self, context: Context) -> Any:
        """Price the list, and pass it on or stop it."""
        from kling_provider.execution.runs.budget import pass_on_or_stop

        return pass_on_or_stop(self, context)

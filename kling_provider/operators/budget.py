# SPDX-License-Identifier: Apache-2.0
"""Price a list of requests before anything is paid, compare with limits, and pass it on."""

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
    """Price a list of requests before the first paid call, and pass it on or stop it. This task pays nothing.

    Every request is checked. Those that are paid already cost nothing: the ones that the paying task would find (in its
    destination, in the memory of earlier runs, at Kling), and all but one of equal requests. The others are priced at
    list price, each once (what Kling answers at once may be sent up to three times where its outcome is unknown, and
    ``max_units`` of the paying task counts that); the tasks in flight of the account are added, and the sum is compared with your limits and with what is
    left on the account. The table is in the log; the XCom is the list, for ``.expand(request=budget.output)``.

    :param requests: the list of requests, as ``load_prompts`` returns it. (templated)
    :param max_requests: the largest number of requests that may be paid; ``None`` is no limit.
    :param max_units: the most units that may be spent, tasks in flight included; ``None`` is no limit. A list of videos and
        images is paid from packs of both kinds: each kind's sum is compared for itself. ``max_usd`` limits both together.
    :param max_usd: the most US dollars that may be spent, at list price; ``None`` is no limit.
    :param on_exceed: what to do above a limit: ``fail`` the task, or ``skip`` it and the tasks after it.
    :param video_task_id: the id of the task that will pay; default: the only task after this one that pays.
    :param pay_once_per: the ``pay_once_per`` of that task; default: read from it.
    :param kling_conn_id: the id of the connection; default: that of the task that will pay. (templated)
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
        "pay_once_per": accept_word("run", "dag", "account", optional=True),
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
        pay_once_per: Literal["run", "dag", "account"] | None = None,
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
        """Return the task that will pay; ``None`` if that is not known, or not yet."""
        return find_paying_task(self, self.dag, self.video_task_id)

    def explain_no_paying_task(self) -> str:
        """Explain why the task that will pay is not known, and what to set."""
        return explain_no_paying_task(self, self.dag, self.video_task_id)

    @property
    def _result_asset(self) -> Asset | None:
        """Return the asset of the paying task, whose state store remembers what was paid (Airflow 3.3)."""
        paying = self.find_paying_task() if self.has_dag() else None  # type: ignore[no-untyped-call]
        return None if paying is None else video_asset(self.dag_id, paying.task_id)

    def execute(self, context: Context) -> Any:
        """Compute the price of the list; return the list, or fail or skip as ``on_exceed`` says."""
        from kling_provider.execution.runs.budget import check_budget

        return check_budget(self, context)

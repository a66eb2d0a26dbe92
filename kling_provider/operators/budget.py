# SPDX-License-Identifier: Apache-2.0
"""A gate before the money: price a whole list, compare, pass it on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from kling_provider.arguments import Argument, amount, count, request_list, text, with_dicts, word
from kling_provider.assets import video_asset
from kling_provider.operators.declaring import DeclaresAsset

if TYPE_CHECKING:
    from airflow.sdk import Asset, Context

    from kling_provider.operators.pricing import Costing


class KlingBudgetOperator(DeclaresAsset):
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
    ui_color = "#fdf3dc"
    arguments: ClassVar[Mapping[str, Argument]] = {
        "requests": request_list(),
        "max_requests": count(),
        "max_units": amount(),
        "max_usd": amount(),
        "on_exceed": word("fail", "skip"),
        "video_task_id": text("the id of the task that will pay", optional=True),
        "pay_once_per": word("run", "dag", "content", optional=True),
        "kling_conn_id": text("the id of a connection", optional=True),
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
        self._check_arguments()

    @property
    def _asset(self) -> Asset | None:
        """The paying task's: by its store runs remember what they paid (Airflow 3.3)."""
        from kling_provider.exceptions import KlingRequestError
        from kling_provider.operators.payer import Payer

        if not self.has_dag():  # type: ignore[no-untyped-call]
            return None
        try:
            return video_asset(self.dag_id, Payer.find(self, self.dag, self.video_task_id).task_id)
        except KlingRequestError:
            return None  # said when the task runs: the Dag may not be complete yet

    def execute(self, context: Context) -> Any:
        """Price the list, and pass it on or stop it."""
        from airflow.providers.common.compat.sdk import AirflowSkipException

        from kling_provider.exceptions import KlingBudgetError
        from kling_provider.operators.telling import logged_failures

        with logged_failures():
            self._check_rendered()
            costing = self._cost(context)
            self.log.info("What this list costs:\n%s", costing.table())
            if reasons := self._exceeded(costing):
                text = f"Not passed on, nothing was sent: {'; '.join(reasons)}."
                if self.on_exceed == "skip":
                    raise AirflowSkipException(text)
                raise KlingBudgetError(text)
            return self.requests

    def _cost(self, context: Context) -> Costing:
        from kling_provider.hooks.kling import KlingHook
        from kling_provider.operators.found import find_paid, read_list
        from kling_provider.operators.job import Job
        from kling_provider.operators.payer import Payer
        from kling_provider.operators.pricing import cost

        payer = Payer.after(self, context["dag"], self.video_task_id)
        if payer.unknown:
            self.log.info(
                "%s of task %s are mapped and not known yet: files are not looked for.",
                ", ".join(payer.unknown),
                payer.task_id,
            )
        conn_id: Any = self.kling_conn_id or self.render_template(payer.kling_conn_id, context)
        hook = KlingHook(conn_id)

        def prepare(request: Any, index: int) -> tuple[Job, Mapping[str, Any]]:
            own = payer.context_of(context, index, request)
            job = Job(
                context=own,
                data=request,
                kling_conn_id=hook.kling_conn_id,
                hook=hook,
                pay_once_per=self.pay_once_per or payer.pay_once_per,
                on_ambiguous=payer.on_ambiguous,
                plan_only=True,
                place=payer.place_of(self, own),
            )
            return job, own

        wanted = read_list(self.requests, prepare)
        return cost(hook, wanted, find_paid(hook, wanted))

    def _exceeded(self, costing: Costing) -> list[str]:
        """Every limit that the list would break, in words with the sums."""
        from kling_provider.api.billing import units_text, usd_text

        reasons = []
        new, units, usd, flight = len(costing.new), costing.units, costing.usd, costing.in_flight_units
        if self.max_requests is not None and new > self.max_requests:
            videos = "1 video" if new == 1 else f"{new} videos"
            reasons.append(f"{videos} to be paid, and max_requests is {self.max_requests}")
        unpriced = ", ".join(line.label for line in costing.unpriced[:5])
        paid = "" if units is None else f"{units_text(units)} to be paid and {units_text(flight)} in flight"
        if self.max_units is not None:
            if units is None:
                reasons.append(f"no known price for {unpriced}, so max_units cannot be kept")
            elif units + flight > self.max_units:
                reasons.append(f"{paid}, and max_units is {self.max_units}")
        if self.max_usd is not None:
            if usd is None:
                reasons.append(f"no known price for {unpriced}, so max_usd cannot be kept")
            elif usd > self.max_usd:
                reasons.append(f"{usd_text(usd)} to be paid at list price, and max_usd is {self.max_usd}")
        left = costing.units_left
        if left is not None and units is not None and new and units + flight > left:
            reasons.append(f"{paid}, and the account has {units_text(left)} left")
        return reasons

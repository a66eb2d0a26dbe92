# SPDX-License-Identifier: Apache-2.0
"""A gate before the money: price a whole list, compare, pass it on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from kling_provider.arguments import Argument, amount, count, request_list, text, word
from kling_provider.operators.checking import ChecksArguments

if TYPE_CHECKING:
    from airflow.sdk import Context

    from kling_provider.operators.pricing import Costing


class KlingBudgetOperator(ChecksArguments):
    """Prices a list of requests before the first paid call, and passes it on or stops it. It pays nothing.

    It checks every request, finds out which are paid already (they cost nothing again), prices the others
    at list price, adds what the account has in flight, and compares with your limits and with what the
    account still has. The table is in the log, the list is the XCom, for ``.expand(request=budget.output)``.

    :param requests: the list, as ``load_prompts`` returns it. (templated)
    :param max_requests: how many may be paid.
    :param max_units: units that may be spent, tasks in flight included.
    :param max_usd: dollars that may be spent, at list price.
    :param on_exceed: ``fail``, or ``skip`` what follows.
    :param video_task_id: the task that will pay; default: the only task after this one.
    :param pay_once_per: its setting; default: read from that task.
    :param kling_conn_id: the connection. (templated)
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
        "kling_conn_id": text("the id of a connection"),
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
        kling_conn_id: str = "kling_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.requests: Any = requests
        self.max_requests = max_requests
        self.max_units = max_units
        self.max_usd = max_usd
        self.on_exceed = on_exceed
        self.video_task_id = video_task_id
        self.pay_once_per = pay_once_per
        self.kling_conn_id = kling_conn_id
        self._check_arguments()

    def execute(self, context: Context) -> Any:
        from airflow.providers.common.compat.sdk import AirflowSkipException

        from kling_provider.exceptions import KlingBudgetError
        from kling_provider.hooks.kling import KlingHook
        from kling_provider.identity import Identity
        from kling_provider.operators.pricing import cost

        self._check_rendered()
        ti = context["ti"]
        hook = KlingHook(self.kling_conn_id)
        task_id, pay_once_per = self._payer(context)

        def identify(request: Any, index: int, images: Mapping[str, str]) -> Identity:
            return Identity.of(
                request,
                pay_once_per=pay_once_per,
                namespace=hook.connection.namespace,
                dag_id=ti.dag_id,
                task_id=task_id,
                run_id=ti.run_id,
                map_index=index,
                images=images,
            )

        costing = cost(hook, self.requests, identify)
        self.log.info("What this list costs:\n%s", costing.table())
        if reasons := self._exceeded(costing):
            text = f"Not passed on, nothing was sent: {'; '.join(reasons)}."
            if self.on_exceed == "skip":
                raise AirflowSkipException(text)
            raise KlingBudgetError(text)
        return self.requests

    def _payer(self, context: Context) -> tuple[str, Any]:
        """Which task will pay, and how far it pays once."""
        from kling_provider.exceptions import KlingRequestError

        dag = context["dag"]
        task_id = self.video_task_id
        if task_id is None:
            after = sorted(self.downstream_task_ids)
            if len(after) != 1:
                raise KlingRequestError(
                    f"KlingBudgetOperator does not know which task will pay (after it come: {', '.join(after) or 'none'}). "
                    "Set video_task_id."
                )
            task_id = after[0]
        if self.pay_once_per is not None:
            return task_id, self.pay_once_per
        payer: Any = dag.get_task(task_id)
        settings = getattr(payer, "partial_kwargs", None)
        found = settings.get("pay_once_per") if settings is not None else getattr(payer, "pay_once_per", None)
        return task_id, found or "run"

    def _exceeded(self, costing: Costing) -> list[str]:
        """Every limit that the list would break, in words with the sums."""
        reasons = []
        new, units, usd, flight = len(costing.new), costing.units, costing.usd, costing.in_flight_units
        if self.max_requests is not None and new > self.max_requests:
            reasons.append(f"{new} videos to be paid, and max_requests is {self.max_requests}")
        unpriced = ", ".join(line.label for line in costing.unpriced[:5])
        if self.max_units is not None:
            if units is None:
                reasons.append(f"no known price for {unpriced}, so max_units cannot be kept")
            elif units + flight > self.max_units:
                reasons.append(
                    f"{units} units to be paid and {flight} in flight, and max_units is {self.max_units}"
                )
        if self.max_usd is not None:
            if usd is None:
                reasons.append(f"no known price for {unpriced}, so max_usd cannot be kept")
            elif usd > self.max_usd:
                reasons.append(f"${usd:.2f} to be paid at list price, and max_usd is {self.max_usd}")
        left = costing.units_left
        if left is not None and units is not None and new and units + flight > left:
            reasons.append(
                f"{units} units to be paid and {flight} in flight, and the account has {left} left"
            )
        return reasons

# SPDX-License-Identifier: Apache-2.0
"""The task that will pay for the requests of a budget, as far as it is known before it runs.

A budget must look where that task will look. So it needs the identity that each request will have there, the place where
the result will be saved, and the record of earlier payments.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from kling_provider.arguments import is_known
from kling_provider.exceptions import KlingRequestError
from kling_provider.submission.sent import OutputPlace

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator

    from kling_provider.identity import PayOncePer

log = logging.getLogger(__name__)


class _Instance:
    """Stand for a task instance of the payer before it exists. Other attributes are those of the budget's own instance."""

    try_number = 1
    max_tries = 0

    def __init__(self, own: Any, task_id: str, map_index: int) -> None:
        self._own = own
        self.task_id = task_id
        self.map_index = map_index

    def __getattr__(self, name: str) -> Any:
        return getattr(self._own, name)


@dataclass(frozen=True, kw_only=True)
class Payer:
    """The task that will pay.

    :param is_mapped: whether each request of the list becomes a task instance of its own.
    :param place: where it saves results, with templates not rendered; ``None`` if it saves none.
    :param inputs: results of other tasks that go into each request, with templates not rendered.
    :param has_mapped_inputs: whether each of its instances has inputs of its own, which are not known before it runs.
    :param unknown: the names of settings that are mapped, so that they are unknown before it runs.
    """

    task_id: str
    is_mapped: bool
    pay_once_per: PayOncePer
    on_ambiguous: str | None
    kling_conn_id: str
    place: OutputPlace | None
    inputs: Mapping[str, Any] | None = None
    has_mapped_inputs: bool = False
    unknown: tuple[str, ...] = ()

    @classmethod
    def of_task(cls, task: Any) -> Payer:
        """Read the settings of ``task``, an operator that pays, mapped or not."""
        group = task.get_closest_mapped_task_group()
        settings = _Settings(task)
        destination = settings.get_setting("destination")
        place = OutputPlace(
            destination=destination,
            filename=settings.get_setting("filename", "{name}"),
            conn_id=settings.get_setting("destination_conn_id"),
            replace=bool(settings.get_setting("replace", False)),
        )
        return cls(
            task_id=task.task_id,
            is_mapped=task.is_mapped or group is not None,
            pay_once_per=settings.get_setting("pay_once_per", "run"),
            on_ambiguous=settings.get_setting("on_ambiguous"),
            kling_conn_id=settings.get_setting("kling_conn_id", "kling_default"),
            place=None if destination is None else place,
            inputs=settings.get_setting("inputs"),
            has_mapped_inputs="inputs" in settings.mapped,
            unknown=tuple(settings.mapped & {"destination", "filename", "pay_once_per", "kling_conn_id"}),
        )

    def build_context(
        self, context: Mapping[str, Any], index: int, request: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Build the context of the task instance that will pay for the request at ``index``.

        :param context: the context of the budget's own task instance.
        """
        ti = _Instance(context["ti"], self.task_id, index if self.is_mapped else -1)
        task = SimpleNamespace(task_id=self.task_id, request=request)
        return {**context, "ti": ti, "task_instance": ti, "task": task}

    def find_inputs(self, budget: BaseOperator, context: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Find the results that go into a request; ``None`` if none do.

        :param context: what :meth:`build_context` returned.
        :raises KlingRequestError: where they are not known yet: without them neither check nor price would be right.
        """
        if self.inputs is None and not self.has_mapped_inputs:
            return None
        inputs = None if self.has_mapped_inputs else budget.render_template(self.inputs, context)  # type: ignore[arg-type]
        if not isinstance(inputs, Mapping) or any(one is None for one in inputs.values()):
            raise KlingRequestError(
                f"The inputs of task {self.task_id} must be known before it is priced; they are not known yet. Put the budget "
                "after the tasks that make them, and give it inputs that are not mapped. Nothing was sent."
            )
        return inputs

    def find_place(self, budget: BaseOperator, context: Mapping[str, Any]) -> OutputPlace | None:
        """Find where the result of one request will be saved; ``None`` if it is not saved, or the place is not known yet.

        :param context: what :meth:`build_context` returned.
        """
        if self.place is None or self.unknown:
            return None
        fields = {"destination": self.place.destination, "filename": self.place.filename}
        if all(map(is_known, fields.values())):
            return self.place
        try:
            rendered = {
                name: budget.render_template(value, context)  # type: ignore[arg-type]
                for name, value in fields.items()
            }
        except Exception as error:  # noqa: BLE001 - Jinja raises what its filters and methods raise
            log.info(
                "Where task %s will save is not known yet (%s): files are not looked for.",
                self.task_id,
                type(error).__name__,
            )
            return None
        return replace(self.place, **rendered) if all(rendered.values()) else None


class _Settings:
    """The settings of an operator, mapped or not."""

    def __init__(self, task: Any) -> None:
        self._task = task
        given = getattr(getattr(task, "expand_input", None), "value", None)
        self.mapped: set[str] = set(given) if isinstance(given, Mapping) else set()

    def get_setting(self, name: str, default: Any = None) -> Any:
        if not self._task.is_mapped:
            return getattr(self._task, name, default)
        group = self._task.task_group
        # Airflow applies default_args to a mapped task when it makes the instances.
        for settings in (
            self._task.partial_kwargs,
            getattr(group, "default_args", None) or {},
            self._task.dag.default_args or {},
        ):
            if name in settings:
                return settings[name]
        return default

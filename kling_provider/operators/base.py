# SPDX-License-Identifier: Apache-2.0
"""What all operators of ours have in common. Nothing heavy is imported at the top: every Dag file pays for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from airflow.sdk import BaseOperator
from airflow.sdk.bases.operator import BaseOperatorMeta

from kling_provider.arguments import Argument, read_arguments
from kling_provider.assets import video_asset
from kling_provider.links.kling import KlingConsoleLink, KlingGalleryLink, KlingVideoLink

if TYPE_CHECKING:
    from airflow.sdk import Asset, BaseOperatorLink

    from kling_provider.execution.outcome import TaskOutcome


class _CheckedWhenMade(BaseOperatorMeta):
    """Checks the settings of an operator when all constructors of its class have run."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        operator = super().__call__(*args, **kwargs)
        operator._check_arguments()
        return operator


class KlingOperator(BaseOperator, metaclass=_CheckedWhenMade):
    """Base of all operators and the sensor: settings, links, the asset of the results, lineage.

    Settings are checked while a Dag is parsed: before anything can cost money. What is mapped is checked on the worker
    before the task runs, because Airflow makes the operator then.

    What a task does when it runs is in :mod:`kling_provider.execution`, which it imports then.
    """

    #: By name, what the settings of this class may be. A subclass adds its own: ``{**Base.arguments, …}``.
    arguments: ClassVar[Mapping[str, Argument]] = {}
    #: Whether its tasks pay.
    pays: ClassVar[bool] = False
    template_fields_renderers: ClassVar[dict[str, str]] = {"request": "json"}
    operator_extra_links: Sequence[BaseOperatorLink] = (
        KlingVideoLink(),
        KlingGalleryLink(),
        KlingConsoleLink(),
    )
    ui_color = "#e7f6ef"

    #: What this task instance came to, once it has; OpenLineage asks.
    outcome: TaskOutcome | None = None
    #: The outputs of the result, once there is one; the link *Video* reads it.
    kling_outputs: Sequence[Mapping[str, Any]] = ()

    _requests_among: ClassVar[tuple[str, ...]] = ("request", "requests")
    #: Who announces results declares the asset as an outlet; who only remembers by its state store, as an inlet.
    _asset_among: ClassVar[Literal["inlets", "outlets"] | None] = "inlets"
    #: Whether there is something to declare; a task that only planned updates nothing.
    _declares: bool = True

    # -- settings ---------------------------------------------------------------------------------------------

    @classmethod
    def partial(cls, **kwargs: Any) -> Any:
        """Prepare a mapped task. It is not made while the Dag is parsed: what its instances have in common is checked
        here, and its asset must be among what they are made of."""
        cls.read_arguments(kwargs)
        mapped = super().partial(**kwargs)
        if cls._asset_among is not None:
            declare_asset(mapped.kwargs, mapped.kwargs.get("dag"), mapped.kwargs["task_id"], cls._asset_among)
        return mapped

    @classmethod
    def read_arguments(cls, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return those of ``given`` that are known by now, as they are used from here on.

        :raises KlingRequestError: naming every one that is wrong.
        """
        return read_arguments(_owner(cls, given), cls.arguments, given, cls.template_fields)

    def _check_arguments(self) -> None:
        for name, value in self.read_arguments(vars(self)).items():
            setattr(self, name, value)

    def check_rendered(self) -> None:
        """Check what was templated, and is known only when the task runs.

        :raises KlingRequestError: naming every setting that is wrong.
        """
        templated = {name: self.arguments[name] for name in self.arguments if name in self.template_fields}
        for name, value in read_arguments(_owner(type(self), vars(self)), templated, vars(self)).items():
            setattr(self, name, value)

    # -- rendered fields, which show no secrets -----------------------------------------------------------------

    def _do_render_template_fields(self, parent: Any, *args: Any, **kwargs: Any) -> None:
        # The one method that Airflow calls for plain and for mapped tasks, just before it stores what was rendered.
        super()._do_render_template_fields(parent, *args, **kwargs)
        if parent is self:
            self._change_requests("wrap_requests")

    def pre_execute(self, context: Any) -> None:
        """Take the requests as they are: what was rendered is stored by now."""
        super().pre_execute(context)
        self._change_requests("unwrap_requests")

    def _change_requests(self, how: Literal["wrap_requests", "unwrap_requests"]) -> None:
        from kling_provider.execution import shown_fields

        change = shown_fields.wrap_requests if how == "wrap_requests" else shown_fields.unwrap_requests
        for name in self._requests_among:
            if name in self.template_fields:
                setattr(self, name, change(getattr(self, name)))

    # -- the asset of the results -------------------------------------------------------------------------------

    # It is declared where the Dag is parsed, and not through an AssetAlias at run time: an alias makes asset and
    # association when the first event arrives, and where several instances of a mapped task finish at once, all but one
    # of them break a unique index and are *failed* by the API server (3.1 to 3.3). A declared asset also shows in the
    # asset graph before the first run. It is named after the Dag, and an operator may get its Dag long after it was made
    # (dag.add_task, >>): so it is looked up whenever the list is read.

    @property
    def inlets(self) -> list[Any]:
        """What this task reads; Airflow extends the list."""
        return self._with_asset("inlets")

    @inlets.setter
    def inlets(self, value: list[Any]) -> None:
        self.__dict__["_given_inlets"] = value

    @property
    def outlets(self) -> list[Any]:
        """What this task updates; Airflow extends the list."""
        return self._with_asset("outlets")

    @outlets.setter
    def outlets(self, value: list[Any]) -> None:
        self.__dict__["_given_outlets"] = value

    @property
    def _asset(self) -> Asset | None:
        """The asset; ``None`` as long as it has no name."""
        return video_asset(self.dag_id, self.task_id) if self.has_dag() else None  # type: ignore[no-untyped-call]

    def _with_asset(self, among: Literal["inlets", "outlets"]) -> list[Any]:
        there: list[Any] = self.__dict__.setdefault(f"_given_{among}", [])
        if self._declares and among == self._asset_among and (own := self._asset) and own not in there:
            there.append(own)
        return there

    def update_nothing(self) -> None:
        """Let the task succeed without a result: no asset is updated, the user's own ones neither."""
        self._declares = False
        self.outlets = []

    # -- lineage -------------------------------------------------------------------------------------------------

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:
        """Return inputs (images), outputs (files), and a run facet ``kling`` with ids, model and cost."""
        if self.outcome is None:
            return None
        from kling_provider.execution.lineage import describe_lineage

        return describe_lineage(self.outcome)


def declare_asset(
    settings: dict[str, Any], dag: Any, task_id: str, among: Literal["inlets", "outlets"] = "outlets"
) -> None:
    """Declare the asset in the keyword arguments that instances of a mapped task will be made of."""
    if dag is None:
        return
    there = settings.get(among) or []
    there = list(there) if isinstance(there, list | tuple) else [there]
    own = video_asset(dag.dag_id, task_id)
    settings[among] = there if own in there else [*there, own]


def _owner(cls: type[BaseOperator], given: Mapping[str, Any]) -> str:
    return f"{cls.__name__} {given['task_id']!r}" if "task_id" in given else cls.__name__

# SPDX-License-Identifier: Apache-2.0
"""The base of all operators. Nothing heavy is imported at the top, because every Dag file imports this module."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from airflow.sdk import BaseOperator
from airflow.sdk.bases.operator import BaseOperatorMeta

from kling_provider.arguments import Argument, read_arguments, refuse_old_names
from kling_provider.assets import video_asset
from kling_provider.links.kling import KlingConsoleLink, KlingGalleryLink, KlingResultLink

if TYPE_CHECKING:
    from airflow.sdk import Asset, BaseOperatorLink

    from kling_provider.execution.outcome import TaskOutcome


class _CheckedWhenMade(BaseOperatorMeta):
    """Checks the settings of an operator when all constructors of its class have run."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        refuse_old_names(_name_owner(cls.__name__, kwargs), kwargs)
        operator = super().__call__(*args, **kwargs)
        operator._check_arguments()
        return operator


class KlingOperator(BaseOperator, metaclass=_CheckedWhenMade):
    """Base of all operators and the sensor: settings, links, the asset of the results, lineage.

    Settings are checked while a Dag is parsed, before anything can cost money. Mapped settings are checked on the worker
    before the task runs, because Airflow makes the operator then.

    The work of a task is in :mod:`kling_provider.execution`, which is imported when the task runs.
    """

    #: The allowed values of the settings of this class, by name. A subclass adds its own: ``{**Base.arguments, …}``.
    arguments: ClassVar[Mapping[str, Argument]] = {}
    #: Whether its tasks pay.
    pays: ClassVar[bool] = False
    template_fields_renderers: ClassVar[dict[str, str]] = {"request": "json", "inputs": "json"}
    operator_extra_links: Sequence[BaseOperatorLink] = (
        KlingResultLink(),
        KlingGalleryLink(),
        KlingConsoleLink(),
    )
    ui_color = "#e7f6ef"

    #: The outcome of this task instance, once there is one, for OpenLineage.
    outcome: TaskOutcome | None = None
    #: The outputs of the result, once there is one; the link *Result* reads it.
    kling_outputs: Sequence[Mapping[str, Any]] = ()

    _requests_among: ClassVar[tuple[str, ...]] = ("request", "requests", "inputs")
    #: Operators that announce results declare the asset as an outlet; those that only use its state store, as an inlet.
    _asset_among: ClassVar[Literal["inlets", "outlets"] | None] = "inlets"
    #: Whether there is something to declare; a task that only planned updates nothing.
    _declares: bool = True

    # -- settings ---------------------------------------------------------------------------------------------

    @classmethod
    def partial(cls, **kwargs: Any) -> Any:
        """Prepare a mapped task: check the settings that its instances share, and declare its asset.

        The operators of the instances are made on the workers, so neither can wait for their constructor.

        :raises KlingRequestError: if a setting is wrong; it names every such setting.
        """
        cls.read_arguments(kwargs)
        mapped = super().partial(**kwargs)
        if cls._asset_among is not None:
            declare_asset(mapped.kwargs, mapped.kwargs.get("dag"), mapped.kwargs["task_id"], cls._asset_among)
        return mapped

    @classmethod
    def read_arguments(cls, given: Mapping[str, Any]) -> dict[str, Any]:
        """Check settings, and return those that are known by now in the form in which they are used.

        :param given: settings by name; templated texts are checked after rendering.
        :raises KlingRequestError: if a setting is wrong; it names every such setting.
        """
        owner = _name_owner(cls.__name__, given)
        refuse_old_names(owner, given)
        return read_arguments(owner, cls.arguments, given, cls.template_fields)

    def _check_arguments(self) -> None:
        for name, value in self.read_arguments(vars(self)).items():
            setattr(self, name, value)

    def check_rendered(self) -> None:
        """Check the templated settings, which are known only when the task runs.

        :raises KlingRequestError: if a setting is wrong; it names every such setting.
        """
        templated = {name: self.arguments[name] for name in self.arguments if name in self.template_fields}
        for name, value in read_arguments(
            _name_owner(type(self).__name__, vars(self)), templated, vars(self)
        ).items():
            setattr(self, name, value)

    # -- rendered fields, which show no secrets -----------------------------------------------------------------

    def _do_render_template_fields(self, parent: Any, *args: Any, **kwargs: Any) -> None:
        # The one method that Airflow calls for plain and for mapped tasks, just before it stores what was rendered.
        super()._do_render_template_fields(parent, *args, **kwargs)
        if parent is self:
            self._change_requests("wrap_requests")

    def pre_execute(self, context: Any) -> None:
        """Restore the requests, which were masked while Airflow stored the rendered fields."""
        super().pre_execute(context)
        self._change_requests("unwrap_requests")

    def _change_requests(self, how: Literal["wrap_requests", "unwrap_requests"]) -> None:
        from kling_provider.execution import shown_fields

        for name in self._requests_among:
            if name in self.template_fields:
                wrap = shown_fields.wrap_inputs if name == "inputs" else shown_fields.wrap_requests
                change = wrap if how == "wrap_requests" else shown_fields.unwrap_requests
                setattr(self, name, change(getattr(self, name)))

    # -- the asset of the results -------------------------------------------------------------------------------

    # It is declared where the Dag is parsed, and not through an AssetAlias at run time: an alias makes asset and
    # association when the first event arrives, and where several instances of a mapped task finish at once, all but one
    # of them break a unique index and are *failed* by the API server (3.1 to 3.3). A declared asset also shows in the
    # asset graph before the first run. It is named after the Dag, and an operator may get its Dag long after it was made
    # (dag.add_task, >>): so it is looked up whenever the list is read.

    @property
    def inlets(self) -> list[Any]:
        """Return the assets that this task reads; Airflow extends the list."""
        return self._with_asset("inlets")

    @inlets.setter
    def inlets(self, value: list[Any]) -> None:
        self.__dict__["_given_inlets"] = value

    @property
    def outlets(self) -> list[Any]:
        """Return the assets that this task updates; Airflow extends the list."""
        return self._with_asset("outlets")

    @outlets.setter
    def outlets(self, value: list[Any]) -> None:
        self.__dict__["_given_outlets"] = value

    @property
    def _result_asset(self) -> Asset | None:
        """Return the asset of the results; ``None`` while the operator has no Dag, which the asset is named after."""
        return video_asset(self.dag_id, self.task_id) if self.has_dag() else None  # type: ignore[no-untyped-call]

    def _with_asset(self, among: Literal["inlets", "outlets"]) -> list[Any]:
        there: list[Any] = self.__dict__.setdefault(f"_given_{among}", [])
        if self._declares and among == self._asset_among and (own := self._result_asset) and own not in there:
            there.append(own)
        return there

    def update_nothing(self) -> None:
        """Let the task succeed without updating any asset, including the ``outlets`` that the user gave."""
        self._declares = False
        self.outlets = []

    # -- lineage -------------------------------------------------------------------------------------------------

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:
        """Return the OpenLineage facets: inputs (images, sounds, videos), outputs (files), and a run facet ``kling`` with ids, model and cost."""
        from kling_provider.execution.lineage import describe_lineage

        return describe_lineage(self.outcome)


def declare_asset(
    settings: dict[str, Any], dag: Any, task_id: str, among: Literal["inlets", "outlets"] = "outlets"
) -> None:
    """Declare the asset in the keyword arguments of a mapped task's instances.

    :param settings: the keyword arguments, changed in place.
    :param dag: the Dag of the task; without one nothing is declared.
    :param task_id: the id of the task.
    :param among: the list to add the asset to.
    """
    if dag is None:
        return
    there = settings.get(among) or []
    there = list(there) if isinstance(there, list | tuple) else [there]
    own = video_asset(dag.dag_id, task_id)
    settings[among] = there if own in there else [*there, own]


def _name_owner(class_name: str, given: Mapping[str, Any]) -> str:
    return f"{class_name} {given['task_id']!r}" if "task_id" in given else class_name

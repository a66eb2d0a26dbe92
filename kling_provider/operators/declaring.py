# SPDX-License-Identifier: Apache-2.0
"""The asset that belongs to an operator, declared by itself: nobody has to write it into a Dag file.

It is declared where the Dag is parsed, and not through an ``AssetAlias`` at run time: an alias makes asset and
association when the first event arrives, and where several instances of a mapped task finish at once, all but one of
them break a unique index and are *failed* by the API server (3.1 to 3.3). A declared asset also shows in the asset
graph before the first run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from kling_provider.assets import video_asset
from kling_provider.operators.checking import ChecksArguments

if TYPE_CHECKING:
    from airflow.sdk import Asset


class DeclaresAsset(ChecksArguments):
    """An operator with an asset among its outlets or inlets, mapped or not.

    The asset is named after the Dag, and an operator may get its Dag long after it was made (``dag.add_task``, ``>>``).
    So it is looked up whenever the list is read.
    """

    #: Who announces videos declares the asset as an outlet; who only remembers by its state store, as an inlet.
    _asset_among: ClassVar[Literal["inlets", "outlets"]] = "inlets"
    #: Whether there is something to declare; a task that only planned updates nothing.
    _declares: bool = True

    @classmethod
    def partial(cls, **kwargs: Any) -> Any:
        # A mapped operator is not made while the Dag is parsed, so its assets must be among what it is made of.
        mapped = super().partial(**kwargs)
        declare_video(mapped.kwargs, mapped.kwargs.get("dag"), mapped.kwargs["task_id"], cls._asset_among)
        return mapped

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


def declare_video(
    settings: dict[str, Any], dag: Any, task_id: str, among: Literal["inlets", "outlets"] = "outlets"
) -> None:
    """Declare the asset in the keyword arguments that instances of a mapped task will be made of."""
    if dag is None:
        return
    there = settings.get(among) or []
    there = list(there) if isinstance(there, list | tuple) else [there]
    own = video_asset(dag.dag_id, task_id)
    settings[among] = there if own in there else [*there, own]

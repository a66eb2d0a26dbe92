# SPDX-License-Identifier: Apache-2.0
"""Where a finished task's result goes: the first of its places that is not another one's."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from kling_provider.api.codes import TaskState
from kling_provider.api.tasks import KlingTask
from kling_provider.exceptions import KlingRequestError
from kling_provider.file_names import MANIFEST_SUFFIX
from kling_provider.storage.failures import say_where_it_stays
from kling_provider.storage.looking import PlaceContents, look_at_place
from kling_provider.storage.manifest import Origin, SavedOutput
from kling_provider.storage.places import Holder, holder_of, may_replace
from kling_provider.storage.stores import store_of

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

log = logging.getLogger(__name__)


class Target:
    """The places that a result may take.

    :param places: of the manifest, in the order of preference, all in one folder.
    """

    def __init__(
        self, task: KlingTask, places: Sequence[ObjectStoragePath], origin: Origin, replace: bool
    ) -> None:
        self.task = task
        self.origin = origin
        #: Names at which a file of others appeared while this result was being put there.
        self.lost: set[str] = set()
        self._places = list(places)
        self._replace = replace

    @property
    def path(self) -> ObjectStoragePath:
        """Return the path of the manifest."""
        return self._places[0]

    @property
    def base(self) -> str:
        """Return what the names of the files begin with."""
        return self.path.name.removesuffix(MANIFEST_SUFFIX)

    def has_result(self, found: PlaceContents) -> bool:
        """Return whether this very task is saved there, whole."""
        manifest = found.manifest
        return manifest is not None and manifest.kling_task_id == self.task.kling_task_id and found.is_whole

    def find_intact(self, found: PlaceContents) -> dict[int, SavedOutput]:
        """Return what of this very task is there already, by index: a try that was killed left it."""
        manifest = found.manifest
        if manifest is None or manifest.kling_task_id != self.task.kling_task_id or found.earlier is not None:
            return {}
        return {index: one for index, one in enumerate(manifest.outputs) if found.is_intact(one)}

    def settle_place(self, suffixes: Sequence[str]) -> PlaceContents:
        """Return what stands at the first place that this result may take, or has.

        :param suffixes: what follows the stem in the names of the files.
        :raises KlingRequestError: where every place belongs to another result.
        """
        while True:
            found = look_at_place(self.path, suffixes)
            if self.has_result(found):
                return found
            holder, why = holder_of(found, self.origin, self.task.kling_task_id)
            if lost := [name for name in self.lost if self._is_in_the_way(found, name)]:
                holder, why = Holder.OTHERS, f"{self.path.parent / lost[0]} appeared there just now."
                self._withdraw_result(found)
            elif holder in (Holder.NOBODY, Holder.US) or (self._replace and may_replace(found, self.origin)):
                return found
            if len(self._places) == 1:
                raise self._build_refusal(why)
            self._places.pop(0)
            log.log(
                logging.INFO if holder in (Holder.SAME_TASK, Holder.OTHER_TYPE) else logging.WARNING,
                "%s It stays as it is, and this result goes beside it: %s",
                why,
                str(self.path).removesuffix(MANIFEST_SUFFIX),
            )

    def _is_in_the_way(self, found: PlaceContents, name: str) -> bool:
        output = found.manifest.files.get(name) if found.manifest is not None else None
        return found.sizes.get(name) is not None and (output is None or not found.is_intact(output))

    def _withdraw_result(self, found: PlaceContents) -> None:
        """Remove what this task has put at a place that it cannot have."""
        store, manifest = store_of(found.path), found.manifest
        if manifest is None or manifest.kling_task_id != self.task.kling_task_id:
            return
        for one in self.find_intact(found).values():
            for name in filter(None, (one.file, one.poster)):
                store.remove_file(found.path.parent / name)
        store.remove_file(found.path)

    def _build_refusal(self, why: str) -> KlingRequestError:
        task = self.task
        return KlingRequestError(
            f"{why} It is not overwritten. {say_where_it_stays(task.kling_task_id, task.expires_at)} Move that file "
            "away, or write another filename or destination, and clear this task: it is downloaded at no further cost.",
            task_state=TaskState.EXISTS,
            kling_task_id=task.kling_task_id,
        )

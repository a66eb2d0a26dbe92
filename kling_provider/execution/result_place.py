# SPDX-License-Identifier: Apache-2.0
"""Find, claim and fill the place in the storage for the result of a task instance."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from airflow.sdk import ObjectStoragePath

from kling_provider.api.catalog import find_spec
from kling_provider.api.requests.base import KlingRequest
from kling_provider.api.result_facts import ResultFacts
from kling_provider.api.tasks import KlingTask
from kling_provider.exceptions import KlingRequestError, KlingStorageError
from kling_provider.execution.at_once import is_answered_at_once
from kling_provider.hooks.kling import KlingHook
from kling_provider.storage import (
    Origin,
    SavedResult,
    choose_place,
    claim_place,
    destination_path,
    file_stem,
    find_saved_by_file,
    find_saved_result,
    manifest_path,
    release_place,
    save_outputs,
    stem_beside,
)
from kling_provider.storage.addresses import Reach
from kling_provider.submission.sent import OutputPlace, SentRequest

log = logging.getLogger(__name__)


class ResultPlace:
    """Finds, claims and fills the place of one Kling task's outputs, for one task instance.

    :param place: with the stem, if one was claimed: then it counts, whatever the file name says now.
    :param kling_task_id: where it is known, for the file name.
    """

    def __init__(
        self,
        hook: KlingHook,
        place: OutputPlace,
        origin: Origin,
        context: Mapping[str, Any],
        *,
        type: str,
        model: str | None,
        kling_task_id: str | None = None,
    ) -> None:
        self._hook = hook
        self._origin = origin
        self._type = type
        self._replace = place.replace
        self._root = destination_path(place.destination, place.conn_id)
        self._claimed = place.stem
        ti = context["ti"]
        self._plain = place.stem or file_stem(
            # Under native rendering a file name that looks like a number is one.
            str(place.filename),
            name=origin.name,
            take=origin.facts.take,
            type=type,
            model=model or "",
            run_id=ti.run_id,
            task_id=ti.task_id,
            map_index=ti.map_index,
            kling_task_id=kling_task_id,
        )

    @classmethod
    def of_sent(cls, hook: KlingHook, sent: SentRequest, context: Mapping[str, Any]) -> ResultPlace:
        """Make it for a task that submits: what was submitted says whose the result is, and where it goes."""
        if sent.place is None:
            raise ValueError("sent must say where its result is saved")
        origin = _build_origin(sent.identity, sent, sent.shown, sent.type, context)
        return cls(hook, sent.place, origin, context, type=sent.type, model=sent.model)

    @classmethod
    def of_task(
        cls,
        hook: KlingHook,
        kling_task_id: str,
        type: str,
        request: KlingRequest | None,
        data: Mapping[str, Any] | None,
        place: OutputPlace,
        context: Mapping[str, Any],
    ) -> ResultPlace:
        """Make it for a download: the Kling task is all that says whose result it is."""
        origin = _build_origin(f"kling:{kling_task_id}", request, data, type, context)
        model = request.model if request else None
        return cls(hook, place, origin, context, type=type, model=model, kling_task_id=kling_task_id)

    @classmethod
    def of_orphan(
        cls,
        hook: KlingHook,
        task: KlingTask,
        type: str | None,
        read_as: str,
        place: OutputPlace,
        context: Mapping[str, Any],
    ) -> ResultPlace:
        """Make it for a task that nobody waits for: what it made says what is saved.

        :param type: of the request that made it, if that is known.
        :param read_as: a type whose tasks are read where this one is.
        """
        kling_task_id = task.kling_task_id
        origin = replace(
            _build_origin(f"kling:{kling_task_id}", None, None, type, context),
            expects=tuple(dict.fromkeys(output.type for output in task.outputs)) or ("video",),
            several=len(task.outputs) > 1,
        )
        return cls(hook, place, origin, context, type=read_as, model=None, kling_task_id=kling_task_id)

    def find_saved(self, *, only_look: bool = False) -> SavedResult | None:
        """Find what is saved already, at its plain place or beside it.

        :param only_look: nothing is written or removed, where only a question is answered.
        :raises KlingStorageError: where the place cannot be read; nothing was sent.
        """
        # With replace too: it is for other results, and our own may be the only memory of what was paid.
        saved = find_saved_result(self._root, self._plain, self._origin, keep_form=only_look)
        if saved is not None and self._replace and not only_look:
            # A try that was killed when it had saved, before it let go.
            release_place(self._root, self._plain, self._origin)
        return saved

    def check(self) -> str:
        """Return the stem of the place that :meth:`claim` would take, without claiming it.

        :raises KlingRequestError: where the place belongs to another task.
        """
        if self._claimed is not None:
            return self._claimed
        return choose_place(self._root, self._plain, self._origin, replace=self._replace).stem

    def claim(self) -> str:
        """Claim a place for what is about to be paid, and return its stem below the destination.

        Once claimed, the same stem is returned again.

        :raises KlingRequestError: where the place belongs to another task; nothing was sent.
        :raises KlingStorageError: where the claim cannot be written; nothing was sent.
        """
        if self._claimed is None:
            self._claimed = claim_place(self._root, self._plain, self._origin, replace=self._replace)
        return self._claimed

    def claim_for_paid(self) -> str:
        """Claim a place for a task that exists already: it is never refused, but goes beside what belongs to others."""
        try:
            return self.claim()
        except (KlingRequestError, KlingStorageError) as error:
            log.warning(
                "The place of a result that is paid could not be claimed; it is saved beside it. %s", error
            )
        self._claimed = stem_beside(self._plain, self._origin.identity)
        return self._claimed

    def release(self) -> None:
        """Release the claim, if this task instance made it, as nothing was made. Never raises."""
        if self._claimed is not None:
            release_place(self._root, self._plain, self._origin)
        self._claimed = None

    def _read_again(self, task: KlingTask) -> KlingTask:
        if is_answered_at_once(self._type):
            return task  # Kling cannot be asked for it again
        return self._hook.get_task(task.kling_task_id, type=self._type)

    def save(self, task: KlingTask) -> SavedResult:
        """Save all outputs of ``task`` with their manifest at the claimed place; beside it, where that was lost."""
        stem = self._claimed or self._plain
        beside = stem_beside(self._plain, self._origin.identity)
        if beside == stem:
            beside = stem_beside(stem, self._origin.identity)
        saved = save_outputs(
            task,
            self._root,
            stem,
            origin=self._origin,
            beside=[beside],
            replace=self._replace,
            refresh=lambda: self._read_again(task),
            http_extras=self._hook.connection.http_extras,
            reach=Reach.of_connection(self._hook.connection),
        )
        if self._replace or saved.path != manifest_path(self._root, stem):
            release_place(self._root, self._plain, self._origin)
        return saved


def find_remembered_result(files: Sequence[str], identity: str, conn_id: str | None) -> SavedResult | None:
    """Find a result where an earlier run saved it, which may be another place than this run's.

    :param files: what the memory of that run names: the manifest, or in an earlier release each file.
    """
    for file in files[:1]:
        path = ObjectStoragePath(file, conn_id=conn_id) if conn_id else ObjectStoragePath(file)
        return find_saved_by_file(path, identity)
    return None


def _build_origin(
    identity: str,
    request: KlingRequest | SentRequest | None,
    data: Mapping[str, Any] | None,
    type: str | None,
    context: Mapping[str, Any],
) -> Origin:
    ti, spec = context["ti"], find_spec(type) if type else None
    expects = spec.outputs if spec is not None else ("video",)
    return Origin(
        identity=identity,
        facts=ResultFacts.of_request(request, type=type),
        request=data,
        expects=expects,
        several=expects != ("video",),  # one video comes alone
        dag_id=ti.dag_id,
        run_id=ti.run_id,
        task_id=ti.task_id,
        map_index=ti.map_index,
    )

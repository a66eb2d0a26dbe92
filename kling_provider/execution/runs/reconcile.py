# SPDX-License-Identifier: Apache-2.0
"""One try of a reconciliation: find what was paid and never saved, and save it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from kling_provider.api.catalog import DEFAULT_TYPE, all_specs
from kling_provider.api.dialects.standard import TASKS
from kling_provider.api.output_facts import list_plain_facts
from kling_provider.api.output_types import TYPES_WITHOUT_FILES, describe_outputs
from kling_provider.api.result_facts import ResultFacts
from kling_provider.api.tasks import KlingTask, TaskStatus
from kling_provider.exceptions import KlingError
from kling_provider.execution.failures import report_failures
from kling_provider.execution.result_place import ResultPlace
from kling_provider.execution.types_of_tasks import find_type
from kling_provider.hooks.kling import KlingHook
from kling_provider.identity import is_ours
from kling_provider.storage import FolderIndex, read_folder_index
from kling_provider.submission.sent import OutputPlace

if TYPE_CHECKING:
    from airflow.sdk import Context

    from kling_provider.operators.reconcile import KlingReconcileOperator

log = logging.getLogger(__name__)

#: Of a task, what the report says.
_REPORTED = ("kling_task_id", "external_task_id", "billing", "created_at", "finished_at")
_SAVED, _KEPT, _FAILED, _RUNNING, _KNOWN, _YOUNG = "saved", "kept", "failed", "running", "known", "young"


def save_missed_results(operator: KlingReconcileOperator, context: Context) -> dict[str, Any]:
    """Save what was paid and never saved, report the rest, and return the XCom."""
    with report_failures(context):
        operator.check_rendered()
        return _Reconciliation(operator, context, KlingHook(operator.kling_conn_id)).run()


@dataclass
class _Reconciliation:
    """One look at all lists of an account."""

    operator: KlingReconcileOperator
    context: Context
    hook: KlingHook
    faults: list[KlingError] = field(default_factory=list)
    #: The paths of the lists, each with one of its types: Kling reads all tasks of a list alike.
    types: dict[str, str] = field(default_factory=lambda: {TASKS: DEFAULT_TYPE})
    #: What is known of each task, by Kling task id: the path of its list, and the task.
    tasks: dict[str, tuple[str, KlingTask]] = field(default_factory=dict)

    def run(self) -> dict[str, Any]:
        """List, save, report.

        :raises KlingError: the first failure, after everything else was tried.
        """
        now = datetime.now(UTC)
        since = now - timedelta(seconds=self.operator.window)
        self._list_tasks(since)
        index = self._read_folders()
        report: dict[str, Any] = {_SAVED: [], _KEPT: [], _KNOWN: 0, _RUNNING: 0, _FAILED: [], _YOUNG: 0}
        for path, task in self.tasks.values():
            state = self._classify(task, index, now)
            if state in (_KNOWN, _RUNNING, _YOUNG):
                report[state] += 1
            elif state == _FAILED:
                report[_FAILED].append({**_describe_task(task), "message": task.message})
            else:
                self._report_orphan(report, state, path, task, index)
        self._log_report(report, since)
        if self.faults:
            raise self.faults[0]
        return report

    def _list_tasks(self, since: datetime) -> None:
        """List the tasks of this provider: Kling has one list for most types, and lists of their own for others.

        A list of its own that cannot be read does not keep the others from being saved. It is reported at the end.
        """
        for spec in all_specs():
            if spec.tasks_path is not None and spec.external_ids:
                self.types.setdefault(spec.tasks_path, spec.type)
        namespace = self.hook.connection.namespace
        for path, type_ in self.types.items():
            try:
                listed = self.hook.list_tasks(since=since, type=type_)
            except KlingError as error:
                if path == TASKS:
                    raise
                self.faults.append(error)
                log.error("The list %s could not be read: %s", path, error)
                continue
            for task in listed:
                if is_ours(task.external_task_id, namespace, self.operator.dag_ids):
                    self.tasks.setdefault(task.kling_task_id, (path, task))

    def _read_folders(self) -> FolderIndex:
        found = FolderIndex()
        for place in (self.operator.destination, *self.operator.also):
            index = read_folder_index(place, self.operator.destination_conn_id)
            found.saved.update(index.saved)
            found.types.update(index.types)
        return found

    def _classify(self, task: KlingTask, index: FolderIndex, now: datetime) -> str:
        if task.status is TaskStatus.FAILED:
            return _FAILED
        if task.status is not TaskStatus.SUCCEEDED:
            return _RUNNING
        if task.kling_task_id in index.saved:
            return _KNOWN
        if task.updated_at is not None and now - task.updated_at < timedelta(seconds=self.operator.grace):
            return _YOUNG
        is_kept = task.outputs and all(one.type in TYPES_WITHOUT_FILES for one in task.outputs)
        return _KEPT if is_kept else _SAVED

    def _report_orphan(
        self, report: dict[str, Any], state: str, path: str, task: KlingTask, index: FolderIndex
    ) -> None:
        type_ = find_type(task, path, index.types)
        told = {
            **_describe_task(task),
            "type": type_,
            "made": describe_outputs(one.type for one in task.outputs),
        }
        if state == _KEPT:
            # A voice or an element is no file: the account keeps it, and its id is all that there is to know.
            report[_KEPT].append({**told, "outputs": [_describe_kept(one) for one in task.outputs]})
            return
        try:
            report[_SAVED].append({**told, "files": self._save_task(task, type_, path)})
        except KlingError as error:
            self.faults.append(error)
            log.error("Kling task %s is paid and could not be saved: %s", task.kling_task_id, error)

    def _save_task(self, task: KlingTask, type_: str | None, path: str) -> list[str]:
        place = OutputPlace(
            destination=self.operator.destination,
            conn_id=self.operator.destination_conn_id,
            filename=f"orphans/{task.kling_task_id}",
            replace=False,
        )
        result_place = ResultPlace.of_orphan(self.hook, task, type_, self.types[path], place, self.context)
        files = [saved.file for saved in result_place.save(task).files]
        log.info(
            "Saved Kling task %s (%s), which was saved nowhere: %s",
            task.kling_task_id,
            type_ or "its type is not known: several types make such a result",
            ", ".join(files),
        )
        return files

    def _log_report(self, report: Mapping[str, Any], since: datetime) -> None:
        log.info(
            "%d tasks of this provider since %s: %d saved now, %d were saved, %d voices and elements that are no files, "
            "%d younger than %s, %d running, %d failed.",
            len(self.tasks),
            since.isoformat(timespec="seconds"),
            len(report[_SAVED]),
            report[_KNOWN],
            len(report[_KEPT]),
            report[_YOUNG],
            timedelta(seconds=self.operator.grace),
            report[_RUNNING],
            len(report[_FAILED]),
        )
        for one in report[_KEPT]:
            ids = ", ".join(f"{output['type']} {output['id']}" for output in one["outputs"])
            log.info("Kept in the account by Kling task %s: %s", one["kling_task_id"], ids)
        for one in report[_FAILED]:
            log.info(
                "Failed at Kling: %s, billed %s: %s", one["kling_task_id"], one["billing"], one["message"]
            )


def _describe_task(task: KlingTask) -> dict[str, Any]:
    facts = ResultFacts().with_task(task).to_json()
    return {name: facts[name] for name in _REPORTED}


def _describe_kept(output: Any) -> dict[str, Any]:
    return {"type": output.type, "id": output.id, "facts": list_plain_facts(output.details)}

# SPDX-License-Identifier: Apache-2.0
"""Find videos that were paid and never saved, and save them before their links die."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, ClassVar

from kling_provider.arguments import Argument, duration, folder, text, texts
from kling_provider.operators.checking import ChecksArguments

if TYPE_CHECKING:
    from airflow.sdk import Context, ObjectStoragePath

    from kling_provider.api.tasks import KlingTask
    from kling_provider.hooks.kling import KlingHook


class KlingReconcileOperator(ChecksArguments):
    """Lists the account's tasks, saves those of ours that succeeded and were never saved, and reports the rest.

    Ours are tasks with an external id that this provider computed. Saved means that a manifest under
    ``destination`` or ``also`` names the Kling task and its files are there. What is found goes to
    ``<destination>/orphans/<kling_task_id>.mp4``. Needs Kling itself and an API key: with access key and secret
    key, and at gateways, there is no list.

    XCom: ``{"saved": [...], "known": n, "running": n, "failed": [...], "young": n}``; saved and failed ones with
    Kling task id, external id, billing and times.

    :param destination: the folder of your videos. (templated)
    :param also: a list of further folders in which videos may have been saved. (templated)
    :param window: how far back to look: seconds or a timedelta; Kling forgets after 30 days.
    :param grace: younger ones are left to the tasks that made them: seconds or a timedelta.
    :param dag_ids: a list: only what these Dags made (``pay_once_per`` ``run`` or ``dag``); default: all of ours.
    :param destination_conn_id: the connection of the storage.
    :param kling_conn_id: the connection. (templated)
    """

    template_fields: Sequence[str] = ("destination", "also", "kling_conn_id")
    ui_color = "#fdf3dc"
    arguments: ClassVar[Mapping[str, Argument]] = {
        "destination": folder(),
        "also": texts("folders"),
        "window": duration(),
        "grace": duration(zero=True),
        "dag_ids": texts("Dag ids", optional=True),
        "destination_conn_id": text("the id of a connection", optional=True),
        "kling_conn_id": text("the id of a connection"),
    }

    def __init__(
        self,
        *,
        destination: str | PurePath | ObjectStoragePath,
        also: Sequence[str] = (),
        window: float | timedelta = timedelta(days=30),
        grace: float | timedelta = timedelta(hours=2),
        dag_ids: Sequence[str] | None = None,
        destination_conn_id: str | None = None,
        kling_conn_id: str = "kling_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.destination: Any = destination  # text, once it is checked
        self.also = also
        self.window: Any = window  # seconds, once it is checked, as is grace
        self.grace: Any = grace
        self.dag_ids = dag_ids
        self.destination_conn_id = destination_conn_id
        self.kling_conn_id = kling_conn_id
        self._check_arguments()

    def execute(self, context: Context) -> Any:
        """Save what nobody saved, and report the rest."""
        from kling_provider.operators.telling import logged_failures

        with logged_failures():
            return self._reconcile(context)

    def _reconcile(self, context: Context) -> dict[str, Any]:
        from kling_provider.api.tasks import TaskStatus
        from kling_provider.exceptions import KlingError
        from kling_provider.hooks.kling import KlingHook
        from kling_provider.storage import saved_task_ids

        self._check_rendered()
        hook = KlingHook(self.kling_conn_id)
        now = datetime.now(UTC)
        since, grace = now - timedelta(seconds=self.window), timedelta(seconds=self.grace)
        tasks = [task for task in hook.list_tasks(since=since) if self._ours(task, hook)]
        saved: set[str] = set()
        for place in (self.destination, *self.also):
            saved |= saved_task_ids(place, self.destination_conn_id)
        report: dict[str, Any] = {"saved": [], "known": 0, "running": 0, "failed": [], "young": 0}
        faults = []
        for task in tasks:
            if task.status is TaskStatus.FAILED:
                report["failed"].append({**_facts(task), "message": task.message})
            elif task.status is not TaskStatus.SUCCEEDED:
                report["running"] += 1
            elif task.kling_task_id in saved:
                report["known"] += 1
            elif task.updated_at is not None and now - task.updated_at < grace:
                report["young"] += 1
            else:
                try:
                    report["saved"].append({**_facts(task), "files": self._save(task, hook, context)})
                except KlingError as error:
                    faults.append(error)
                    self.log.error(
                        "Kling task %s is paid and could not be saved: %s", task.kling_task_id, error
                    )
        self.log.info(
            "%d tasks of ours since %s: %d saved now, %d were saved, %d younger than %s, %d running, %d failed.",
            len(tasks),
            since.isoformat(timespec="seconds"),
            len(report["saved"]),
            report["known"],
            report["young"],
            grace,
            report["running"],
            len(report["failed"]),
        )
        for one in report["failed"]:
            self.log.info(
                "Failed at Kling: %s, billed %s: %s", one["kling_task_id"], one["billing"], one["message"]
            )
        if faults:
            raise faults[0]
        return report

    def _ours(self, task: KlingTask, hook: KlingHook) -> bool:
        from kling_provider.identity import is_ours

        return is_ours(task.external_task_id, hook.connection.namespace, self.dag_ids)

    def _save(self, task: KlingTask, hook: KlingHook, context: Context) -> list[str]:
        from kling_provider.operators.saving import Saving
        from kling_provider.submission.sent import Place

        place = Place(
            destination=self.destination,
            conn_id=self.destination_conn_id,
            filename=f"orphans/{task.kling_task_id}",
            replace=False,
        )
        saving = Saving.of_task(hook, task.kling_task_id, "text_to_video", None, None, place, context)
        files = [saved.file for saved in saving.save(task).files]
        self.log.info("Saved Kling task %s, which nobody had: %s", task.kling_task_id, ", ".join(files))
        return files


def _facts(task: KlingTask) -> dict[str, Any]:
    from kling_provider.api.result_facts import ResultFacts

    facts = ResultFacts().with_task(task).as_json()
    names = ("kling_task_id", "external_task_id", "billing", "created_at", "finished_at")
    return {name: facts[name] for name in names}

# SPDX-License-Identifier: Apache-2.0
"""Find results that were paid and never saved, and save them before their links die."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, ClassVar

from kling_provider.arguments import Argument, accept_duration, accept_folder, accept_text, accept_texts
from kling_provider.operators.base import KlingOperator

if TYPE_CHECKING:
    from airflow.sdk import Context, ObjectStoragePath


class KlingReconcileOperator(KlingOperator):
    """List the account's tasks, save those of this provider that succeeded and were never saved, and report the rest.

    Tasks of this provider are known by their external id, which it computed. A task counts as saved if a manifest below
    ``destination`` or ``also`` names it and its files are there. The others are saved as
    ``<destination>/orphans/<kling_task_id>`` with the suffix of what they are: videos, images, sounds, subtitles. Voices and
    elements are no files: they are reported with their ids. This needs Kling itself and an API key: tasks cannot be listed
    with an access key and a secret key, nor at gateways. Types without an external id cannot be found. What Kling answers at
    once is no task, has no external id and is in no list: ``KlingGenerateOperator`` keeps such an answer itself.

    The XCom is ``{"saved": [...], "kept": [...], "known": n, "running": n, "failed": [...], "young": n}``; the lists hold
    mappings with Kling task id, external id, billing and times; those of ``saved`` and ``kept`` also with ``made`` (in
    words) and ``type``, which is ``None`` where several types make such a result: Kling's list does not tell it.

    :param destination: the folder of your results. (templated)
    :param also: a list of further folders in which results may have been saved. (templated)
    :param window: how far back to look: seconds or a timedelta; Kling forgets tasks after 30 days.
    :param grace: the age below which tasks are left to the Airflow tasks that made them: seconds or a timedelta.
    :param dag_ids: a list of Dag ids: only tasks that these Dags made (``pay_once_per`` ``run`` or ``dag``) are
        considered; default: all tasks of this provider.
    :param destination_conn_id: the id of the connection of the storage.
    :param kling_conn_id: the id of the connection. (templated)
    """

    template_fields: Sequence[str] = ("destination", "also", "kling_conn_id")
    template_fields_renderers: ClassVar[dict[str, str]] = {}
    operator_extra_links = ()
    ui_color = "#fdf3dc"
    _asset_among = None
    arguments: ClassVar[Mapping[str, Argument]] = {
        "destination": accept_folder(),
        "also": accept_texts("folders"),
        "window": accept_duration(),
        "grace": accept_duration(zero=True),
        "dag_ids": accept_texts("Dag ids", optional=True),
        "destination_conn_id": accept_text("the id of a connection", optional=True),
        "kling_conn_id": accept_text("the id of a connection"),
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

    def execute(self, context: Context) -> Any:
        """Save the results that were never saved, and return the report."""
        from kling_provider.execution.runs.reconcile import save_missed_results

        return save_missed_results(self, context)

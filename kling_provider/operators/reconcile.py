# SPDX-License-Identifier: Apache-2.0
"""Find videos that were paid and never saved, and save them before their links die."""

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
        """Save what nobody saved, and report the rest."""
        from kling_provider.execution.runs.reconcile import reconcile

        return reconcile(self, context)

# SPDX-License-Identifier: Apache-2.0
"""What operators tell of each result when they are done: an asset event, lineage, and the result in the log."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kling_provider.operators.declaring import DeclaresAsset
from kling_provider.task_log import log_group

if TYPE_CHECKING:
    from kling_provider.execution.outcome import TaskOutcome

log = logging.getLogger(__name__)


class TellsLineage(DeclaresAsset):
    """An operator that OpenLineage can ask."""

    #: What this task instance came to, once it has.
    _outcome: TaskOutcome | None = None
    #: The outputs of the result, once there is one; the link *Video* reads it.
    kling_outputs: Sequence[Mapping[str, Any]] = ()

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:
        """Return inputs (images), outputs (files), and a run facet ``kling`` with ids, model and cost."""
        from kling_provider.execution.lineage import openlineage_of
        from kling_provider.operators.telling import undisturbed

        if self._outcome is not None:
            with undisturbed("tell OpenLineage"):
                return openlineage_of(self._outcome)
        return None


class VideoOutlet(TellsLineage):
    """An operator whose results are events of its asset."""

    _asset_among = "outlets"

    def _finished(
        self, context: Mapping[str, Any], outcome: TaskOutcome, *, conn_id: str | None = None
    ) -> dict[str, Any]:
        """Tell of a finished result; returns it as XCom has it.

        :param conn_id: the connection that was used, where it may be another one than this task names now.
        """
        from kling_provider.execution.lineage import collect
        from kling_provider.operators.telling import undisturbed

        result = outcome.to_xcom()
        self._outcome, self.kling_outputs = outcome, result["outputs"]
        with undisturbed("tell the lineage collector"):
            collect(outcome, self)
        self._announce(context, outcome.to_event(context, conn_id or getattr(self, "kling_conn_id", None)))
        with undisturbed("log the result"), log_group(log.info, "Result"):
            for line in outcome.to_log():
                log.info("%s", line)
        return result

    def _announce(self, context: Mapping[str, Any], event: Mapping[str, Any]) -> None:
        """Every asset that this task updates gets the facts of the result, the user's own ones too."""
        from airflow.sdk import Asset

        from kling_provider.operators.telling import undisturbed

        for outlet in self.outlets:
            if isinstance(outlet, Asset):
                with undisturbed(f"add the video to the event of {outlet.name}"):
                    context["outlet_events"][outlet].extra.update(event)

    def _made_no_video(self) -> None:
        """The task succeeds without a result, so no asset is updated, the user's own ones neither."""
        self._declares = False
        self.outlets = []

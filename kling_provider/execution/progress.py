# SPDX-License-Identifier: Apache-2.0
"""Report the progress of a task instance in the XCom ``kling`` and the Storage tab, and announce its finished result."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset

from kling_provider.execution.lineage import report_lineage
from kling_provider.execution.log_failures import log_failures_of
from kling_provider.submission.records import show_progress
from kling_provider.task_log import log_group

if TYPE_CHECKING:
    from kling_provider.execution.outcome import TaskOutcome
    from kling_provider.operators.base import KlingOperator

log = logging.getLogger(__name__)


def push_progress(
    context: Mapping[str, Any], value: Mapping[str, Any], *, waiting_for: str | None = None, keep: bool = True
) -> None:
    """Push the XCom ``kling``, where the work stands.

    :param waiting_for: in words, for the task's Storage tab.
    :param keep: it stands there too, where the gallery finds it wherever XComs are kept.
    """
    with log_failures_of("push the XCom kling"):
        context["ti"].xcom_push(key="kling", value=dict(value))
    if keep:
        show_progress(context, value, waiting_for=waiting_for)


def announce_result(
    operator: KlingOperator, context: Mapping[str, Any], outcome: TaskOutcome, *, conn_id: str
) -> dict[str, Any]:
    """Announce a finished result to lineage, asset events and the log, and return it as the XCom has it.

    :param conn_id: the connection that was used, which may be another one than the operator names now.
    """
    result = outcome.to_xcom(conn_id=conn_id)
    operator.outcome, operator.kling_outputs = outcome, result["outputs"]
    with log_failures_of("tell the lineage collector"):
        report_lineage(outcome, operator)
    event = outcome.to_event(context, conn_id)
    # Every asset that this task updates gets the facts of the result, the user's own ones too.
    for outlet in operator.outlets:
        if isinstance(outlet, Asset):
            with log_failures_of(f"add the result to the event of {outlet.name}"):
                context["outlet_events"][outlet].extra.update(event)
    with log_failures_of("log the result"), log_group(log.info, "Result"):
        for line in outcome.to_log():
            log.info("%s", line)
    return result

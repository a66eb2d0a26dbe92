# SPDX-License-Identifier: Apache-2.0
"""Find out of which type the request was that made a Kling task: Kling's lists name no type."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from kling_provider.api.catalog import all_specs
from kling_provider.api.output_types import find_family
from kling_provider.api.tasks import KlingTask
from kling_provider.submission.records import VariableRecord

log = logging.getLogger(__name__)


def find_type(task: KlingTask, path: str, known: Mapping[str, str]) -> str | None:
    """Return the type of the request that made a task; ``None`` where several types make the same.

    It is known from a claim or manifest of the task, from the memory of what was paid, and from the types of its outputs,
    where one type of the list alone makes such outputs.

    :param path: of the list that has the task.
    :param known: types by identity and by Kling task id, as manifests and claims tell them.
    """
    for key in (task.kling_task_id, task.external_task_id):
        if key is not None and key in known:
            return known[key]
    return _find_remembered_type(task.external_task_id) or _find_type_of_outputs(task, path)


def _find_remembered_type(external_task_id: str | None) -> str | None:
    """Return the type that the memory of a first attempt tells, where that is an Airflow Variable."""
    if external_task_id is None:
        return None
    try:
        record = VariableRecord(external_task_id, "").load() or {}
    except Exception as error:  # noqa: BLE001 - what is paid is saved all the same, with a type less
        log.debug("The memory of %s could not be read: %s", external_task_id, type(error).__name__)
        return None
    return record.get("type")


def _find_type_of_outputs(task: KlingTask, path: str) -> str | None:
    made = {find_family(output.type) for output in task.outputs}
    listed = [spec for spec in all_specs() if spec.tasks_path == path and not spec.is_answered_at_once]
    exact = [spec.type for spec in listed if {find_family(one) for one in spec.outputs} == made]
    return exact[0] if len(exact) == 1 else None

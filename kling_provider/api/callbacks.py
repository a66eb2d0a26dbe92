# SPDX-License-Identifier: Apache-2.0
"""Read the body of a callback: the bare task that Kling posts when its state changes, in the form of either API design.

Only id and state are read. What else it says (links, bills) is not believed: whoever is woken reads the task itself.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from kling_provider.api.dialects.status_words import read_status
from kling_provider.api.requests.fields import ApiDesign
from kling_provider.api.tasks import TaskStatus

#: Where id and status word are, by the API design of the form (Kling docs, callbacks page).
_FORMS: tuple[tuple[ApiDesign, str, str], ...] = (
    ("standard", "id", "status"),
    ("legacy", "task_id", "task_status"),
)
#: Ids are about 18 digits; no id of a gateway is near this.
_LONGEST_ID = 200


@dataclass(frozen=True, slots=True)
class Callback:
    """What one callback says."""

    kling_task_id: str
    status: TaskStatus
    #: The API design in whose form it came.
    design: ApiDesign


def parse_callback(body: bytes, *, accepts_gateway_statuses: bool = False) -> Callback | None:
    """Parse the body of a callback; ``None`` where it is no task.

    :param accepts_gateway_statuses: also accept the status words of gateways.
    """
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(data, dict):
        return None
    for design, id_key, status_key in _FORMS:
        kling_task_id, word = data.get(id_key), data.get(status_key)
        if isinstance(kling_task_id, int) and not isinstance(kling_task_id, bool):
            kling_task_id = str(kling_task_id)
        if isinstance(kling_task_id, str) and 0 < len(kling_task_id) <= _LONGEST_ID and isinstance(word, str):
            status = read_status(word, accepts_gateway_statuses=accepts_gateway_statuses)
            return Callback(kling_task_id, status, design)
    return None

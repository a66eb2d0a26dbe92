# SPDX-License-Identifier: Apache-2.0
"""The task log: groups that Airflow's UI folds, their titles, and the secrets that no line shows."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from airflow.sdk.log import mask_secret

from kling_provider.compat import forget_mask

#: Tokens that are hidden in logs, oldest first: as many as live at the same time.
_hidden: deque[str] = deque()
_MOST_HIDDEN = 16


class log_group:
    """Fold what is logged within the block under a title.

    :param say: writes a line.
    :param title: what the folded lines are shown as.
    """

    # No generator: thousands of these are open at the same time.
    __slots__ = ("_say",)

    def __init__(self, say: Callable[[str], None], title: str) -> None:
        self._say = say
        say(f"::group::{title}")

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        self._say("::endgroup::")


def log_call(say: Callable[[str], None], call: Mapping[str, Any], title: str) -> None:
    """Log an HTTP call without secrets, folded under ``title``.

    :param call: ``method``, ``url`` and ``json``.
    """
    with log_group(say, title):
        say(f"{call['method']} {call['url']}\n{json.dumps(call['json'], indent=2, ensure_ascii=False)}")


def wait_title(kling_task_id: str, expected_at: float | None) -> str:
    """Return the title of a wait for a result.

    :param expected_at: epoch of its likely end.
    """
    title = f"Waiting for Kling task {kling_task_id}"
    if expected_at is not None:
        title += f", expected at about {datetime.fromtimestamp(expected_at, UTC):%H:%M:%S} UTC"
    return title


def hide_in_logs(secret: str) -> None:
    """Hide ``secret`` in everything that this process logs from now on.

    It sends a message to the supervisor and blocks: call it in a thread where an event loop runs.
    """
    mask_secret(secret)


def hide_token_in_logs(token: str) -> None:
    """Hide a token that is valid for minutes, once.

    Expired tokens need no mask; hundreds of them would make each further secret cost a tenth of a second.
    """
    if token in _hidden:
        return
    while len(_hidden) >= _MOST_HIDDEN:
        forget_mask(_hidden.popleft())
    _hidden.append(token)
    hide_in_logs(token)

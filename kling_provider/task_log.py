# SPDX-License-Identifier: Apache-2.0
"""The task log: groups that Airflow's UI folds, and their titles."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any


@contextmanager
def log_group(say: Callable[[str], None], title: str) -> Iterator[None]:
    """What is logged within the block is folded under ``title``."""
    say(f"::group::{title}")
    try:
        yield
    finally:
        say("::endgroup::")


def log_call(say: Callable[[str], None], call: Mapping[str, Any], title: str) -> None:
    """Log an HTTP call as it may be shown, folded under ``title``.

    :param call: ``method``, ``url`` and ``json``.
    """
    with log_group(say, title):
        say(f"{call['method']} {call['url']}\n{json.dumps(call['json'], indent=2, ensure_ascii=False)}")


def wait_title(kling_task_id: str, expected_at: float | None) -> str:
    """The title of a wait for a video.

    :param expected_at: epoch of its likely end.
    """
    title = f"Waiting for Kling task {kling_task_id}"
    if expected_at is not None:
        title += f", expected at about {datetime.fromtimestamp(expected_at, UTC):%H:%M:%S} UTC"
    return title

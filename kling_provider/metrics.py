# SPDX-License-Identifier: Apache-2.0
"""What this provider counts, in Airflow's own metrics (StatsD or OpenTelemetry); ``docs/metrics.md`` lists it.

Airflow drops all of it while metrics are off, which is its default. A metric that cannot be sent never disturbs the
work that it counts.
"""

from __future__ import annotations

import logging
import re
import socket
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from typing import Any, Literal

from kling_provider.compat import get_stats

log = logging.getLogger(__name__)

#: How many triggers of this process wait, by what for.
_waiting: Counter[str] = Counter()


def count_submitted(**tags: str | None) -> None:
    """Count a task that a paid call made."""
    _send_metric("incr", "kling.submitted", 1, tags)


def count_adopted(*, instead_of_paying: bool, **tags: str | None) -> None:
    """Count an existing task that was adopted, so that nothing is paid.

    :param instead_of_paying: a paid call was sent before the task was found: it was refused as a duplicate (1201), or its
        response was lost.
    """
    _send_metric("incr", "kling.adopted", 1, tags)
    if instead_of_paying:
        _send_metric("incr", "kling.duplicates_prevented", 1, tags)


def count_delivered(
    *, units: Mapping[str | None, Decimal], render: timedelta | None, **tags: str | None
) -> None:
    """Count a finished result that came back to Airflow.

    :param units: what Kling billed for it, by kind of pack.
    :param render: from Kling's create time to its end.
    """
    _send_metric("incr", "kling.delivered", 1, tags)
    for package, amount in units.items():
        if amount:
            _send_metric("incr", "kling.units", float(amount), {**tags, "package": package})
    if render is not None:
        _send_metric("timing", "kling.render_time", render, tags)


def record_notice_delay(delay: timedelta, **tags: str | None) -> None:
    """Record how long after its end at Kling a deferred task went on; ``delay`` is that time."""
    # Kling's clock and ours may differ.
    _send_metric("timing", "kling.notice_delay", max(delay, timedelta(0)), tags)


def count_callback(outcome: str, *, conn_id: str) -> None:
    """Count what became of a valid callback, in the API server.

    :param outcome: ``received`` for each; then ``woke``, ``late``, ``repeated``, ``nobody_waits`` or ``dropped``.
    """
    _send_metric("incr", "kling.callbacks", 1, {"outcome": outcome, "conn_id": conn_id}, triggerer=True)


def count_refused_callback(reason: str, number: int = 1) -> None:
    """Count messages to the URL of callbacks that were refused, in the API server, by reason."""
    _send_metric("incr", "kling.callbacks_refused", number, {"reason": reason}, triggerer=True)


@contextmanager
def count_failures(**tags: str | None) -> Iterator[None]:
    """Count a Kling error that leaves the block, by reason: ``balance`` for ``KlingBalanceError``."""
    try:
        yield
    except Exception as error:
        name = type(error).__name__
        if name.startswith("Kling"):
            words = re.findall(r"[A-Z][a-z]*", name.removeprefix("Kling").removesuffix("Error"))
            _send_metric("incr", "kling.failures", 1, {**tags, "reason": "_".join(words).lower() or "other"})
        raise


class track_waiting:
    """Count one more waiting trigger of this process within the block.

    :param kind: for what it waits.
    """

    # No generator: thousands of these are open at the same time.
    __slots__ = ("kind",)

    def __init__(self, kind: Literal["result", "queue"]) -> None:
        self.kind = kind

    def __enter__(self) -> None:
        _waiting[self.kind] += 1
        send_waiting(self.kind)

    def __exit__(self, *_: object) -> None:
        _waiting[self.kind] -= 1
        send_waiting(self.kind)


def send_waiting(kind: Literal["result", "queue"]) -> None:
    """Send how many triggers of this process wait.

    :param kind: for what they wait.
    """
    _send_metric(
        "gauge", "kling.waiting", _waiting[kind], {"kind": kind, "hostname": _find_hostname()}, triggerer=True
    )


def _find_hostname() -> str | None:
    try:
        return socket.gethostname()
    except OSError:
        return None


def _send_metric(
    how: str, name: str, value: Any, tags: Mapping[str, str | None], *, triggerer: bool = False
) -> None:
    try:
        known = {tag: text for tag, text in tags.items() if text}
        getattr(get_stats(triggerer=triggerer), how)(name, value, tags=known)
    except Exception as error:  # noqa: BLE001 - see the module's docstring
        log.debug("The metric %s could not be sent: %s", name, error)

# SPDX-License-Identifier: Apache-2.0
"""A run that is over -> the figures of one row. No I/O."""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Sequence
from typing import Any

from benchmarks.cpu import COUNTED
from benchmarks.history import Instance
from benchmarks.scene import READ_LATENCY, Outcome

_NUMBER = re.compile(r"^Video (\d{4}) ")
_FAILED = ("failed", "upstream_failed")


def measure(outcome: Outcome) -> dict[str, Any]:
    """Return the figures of a run. Times are seconds; what ends in ``_per_video`` is a mean over the wanted videos."""
    wanted = len(outcome.fleet.seconds)
    working = [one for one in outcome.instances if one.map_index >= 0]
    stats = outcome.stats
    requests = sum(stats["paths"].values()) - stats["downloads"]
    notice = _list_notice(outcome, working)
    cpu = {name: seconds / wanted for name, seconds in outcome.cpu.items()}
    figures = {
        "videos": wanted,
        "delivered": _count_delivered(working),
        "failed": sum(one.last in _FAILED for one in working) + (outcome.state == "stuck"),
        "made": stats["creates"]["made"],
        "requests_per_video": requests / wanted,
        "creates_per_video": stats["creates"]["received"] / wanted,
        "reads_per_video": stats["reads"] / wanted,
        "lists_per_video": stats["lists"] / wanted,
        "account_reads": stats["account_reads"],
        "noticed": len(notice),
        "notice_mean": statistics.fmean(notice) if notice else None,
        "notice_p95": find_percentile(notice, 95),
        "worker_per_video": sum(one.seconds("running") for one in working) / wanted,
        "queued_per_video": sum(one.seconds("queued") for one in working) / wanted,
        "cpu_per_video": sum(cpu[name] for name in COUNTED),
        **{f"cpu_{name}_per_video": seconds for name, seconds in cpu.items()},
        "triggerer_blocked": outcome.blocked,
        "wall": outcome.wall,
        "load_before": outcome.load[0],
        "load_after": outcome.load[1],
    }
    if outcome.limit:
        empty = list_waits_for_a_place(outcome.tasks, outcome.limit)
        figures["empty_mean"] = statistics.fmean(empty) if empty else None
        figures["empty_p95"] = find_percentile(empty, 95)
        creates = stats["creates"]
        figures["refused_per_video"] = (creates["received"] - creates["made"]) / wanted
    return {name: round(value, 4) if isinstance(value, float) else value for name, value in figures.items()}


def find_percentile(values: Sequence[float], percent: float) -> float | None:
    """Return the smallest value that so many percent do not exceed; None where there is none."""
    if not values:
        return None
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def list_waits_for_a_place(tasks: Sequence[dict[str, Any]], limit: int) -> list[float]:
    """Return how long each place of the account stood empty: from an end to the create that took it, in seconds.

    :param tasks: the sandbox's tasks, all of one account and model.
    :param limit: how many may be in flight.
    """
    made = sorted(task["created"] for task in tasks)
    ended = sorted(task["ended"] for task in tasks)
    return [(begin - end) / 1000 for begin, end in zip(made[limit:], ended, strict=False)]


def _count_delivered(working: Sequence[Instance]) -> int:
    """Count the videos of which every task succeeded."""
    states: dict[int, set[str | None]] = {}
    for one in working:
        states.setdefault(one.map_index, set()).add(one.last)
    return sum(found == {"success"} for found in states.values())


def _list_notice(outcome: Outcome, working: Sequence[Instance]) -> list[float]:
    """Return for each video the seconds from Kling's end until it was noticed.

    Where the task waits in the triggerer: until it leaves ``deferred``. Else: until the answer is there that tells its
    process so.
    """
    waiting = {one.map_index: one for one in working if one.task_id == outcome.shape.waits}
    found = []
    for task in outcome.tasks:
        number = _NUMBER.match(task["prompt"])
        if number is None or task["ended"] is None:
            continue
        ended = task["ended"] / 1000
        if not outcome.shape.is_deferred:
            if task["told"] is not None:
                found.append(task["told"] / 1000 + READ_LATENCY - ended)
        elif (one := waiting.get(int(number[1]))) and (left := one.left("deferred", ended)):
            found.append(left - ended)
    return found

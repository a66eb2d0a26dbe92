# SPDX-License-Identifier: Apache-2.0
"""How many requests a video takes, and how late its end is noticed, by the looks of the triggerer.

``python benchmarks/looks.py`` lets the poller wait for 1, 20 and 200 videos of 90 ± 5 s, and for 20 whose times are spread
from 28 to 320 s, at a sandbox whose reads take 150 ms. Clock and event loop are virtual: when nothing is left to do, the time
jumps to the next timer, so that an hour takes seconds and a busy machine changes nothing. It prints for each the requests per
video (create and last read for a fresh link counted) and the seconds from Kling's end to the trigger's event: *before* with
reads every 10 s, *cold* without and *warm* with what was learned. ``--write`` writes them to ``results/looks.json``. It ends
with 1 where a goal is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

from benchmarks import results  # noqa: E402
from tests.support.virtual_time import (  # noqa: E402
    VirtualKling,
    forget_all,
    run_virtually,
    serving_virtually,
    watch_video,
)

#: What Kling's reads take, in seconds (measured from outside: 100 to 200 ms).
READ_TIME = 0.15
#: A create and the worker's last read, for a fresh link.
FLOOR = 2
#: Most requests per video, warm; and seconds, mean and 95th percentile.
GOALS = {"1": 4.0, "20": 2.5, "200": 2.2}
MEAN, P95 = 2.0, 4.0


@dataclass
class Figures:
    """What one scenario showed."""

    videos: int = 0
    reads: int = 0
    notices: list[float] = field(default_factory=list)

    def summary(self) -> dict[str, float]:
        notices = sorted(self.notices)
        return {
            "videos": self.videos,
            "requests_per_video": round(FLOOR + self.reads / self.videos, 3),
            "notice_mean_s": round(statistics.mean(notices), 2),
            "notice_p95_s": round(notices[min(len(notices) - 1, int(0.95 * len(notices)))], 2),
        }


async def run_round(
    kling: VirtualKling, times: list[float], figures: Figures, per_second: float, *, learned: bool
) -> None:
    """Wait for one video of each time, made one after the other, so many per second."""
    before = len(kling.reads)
    starts = [number / per_second for number in range(len(times))]
    figures.notices += await asyncio.gather(
        *(
            watch_video(kling, one, after=after, learned=learned)
            for one, after in zip(times, starts, strict=True)
        )
    )
    figures.videos += len(times)
    figures.reads += len(kling.reads) - before
    await asyncio.sleep(random.uniform(5, 25))


SPREAD = [28 + round(292 * number / 19) for number in range(20)]


def draw_rounds(name: str, count: int, rounds: int, draw: random.Random) -> list[list[float]]:
    """Draw the render times of some rounds: evenly spread over all of them, so that few rounds show what many would."""
    if name == "spread":
        return [draw.sample([float(one) for one in SPREAD], len(SPREAD)) for _ in range(rounds)]
    every = [85 + 10 * (number + 0.5) / (count * rounds) for number in range(count * rounds)]
    draw.shuffle(every)
    return [every[start : start + count] for start in range(0, count * rounds, count)]


async def measure(
    name: str, count: int, per_second: float, rounds: int, warm_up: int
) -> dict[str, dict[str, float]]:
    """Measure one scenario before, cold and warm."""
    draw = random.Random(7)
    found: dict[str, Figures] = {"before": Figures(), "cold": Figures(), "warm": Figures()}
    few = max(1, rounds // 3)
    async with serving_virtually(READ_TIME) as kling:
        for times in draw_rounds(name, count, few, draw):
            await run_round(kling, times, found["before"], per_second, learned=False)
        for times in draw_rounds(name, count, few, draw):
            forget_all()
            await run_round(kling, times, found["cold"], per_second, learned=True)
        for times in draw_rounds(name, count, warm_up, draw):
            await run_round(kling, times, Figures(), per_second, learned=True)
        for times in draw_rounds(name, count, rounds, draw):
            await run_round(kling, times, found["warm"], per_second, learned=True)
    return {name: figures.summary() for name, figures in found.items()}


#: Name, videos, how many are made in a second, rounds, rounds before it counts as warm.
SCENARIOS = (
    ("1", 1, 1.0, 90, 12),
    ("20", 20, 4.0, 9, 2),
    ("20 in 13 s", 20, 1.5, 9, 2),
    ("200", 200, 10.0, 3, 1),
    ("200 in 67 s", 200, 3.0, 3, 1),
    ("spread", 20, 4.0, 9, 2),
)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--write", action="store_true", help="write results/looks.json")
    parser.add_argument("--only", help="one scenario")
    arguments = parser.parse_args()
    machine = results.describe_machine()
    found: dict[str, Any] = {}
    missed = []
    print(f"{'videos':<14}{'':<8}{'requests per video':>20}{'notice, mean':>14}{'p95':>8}")
    for name, *scenario in SCENARIOS:
        if arguments.only not in (None, name):
            continue
        found[name] = run_virtually(lambda name=name, scenario=scenario: measure(name, *scenario))  # type: ignore[misc]
        for when, figures in found[name].items():
            print(
                f"{name:<14}{when:<8}{figures['requests_per_video']:>20.2f}{figures['notice_mean_s']:>12.2f} s"
                f"{figures['notice_p95_s']:>6.2f} s",
                flush=True,
            )
        warm, goal = found[name]["warm"], GOALS.get(name)
        if goal is not None and (
            warm["requests_per_video"] > goal or warm["notice_mean_s"] > MEAN or warm["notice_p95_s"] > P95
        ):
            missed.append(name)
    if arguments.write:
        about = {
            "machine": machine,
            "read_time_s": READ_TIME,
            "goals": {"requests_per_video": GOALS, "notice_mean_s": MEAN, "notice_p95_s": P95},
        }
        results.write("looks", {**about, "videos": found})
    for name in missed:
        print(f"The goal for {name} is missed.")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())

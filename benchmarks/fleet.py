# SPDX-License-Identifier: Apache-2.0
"""Requests, notice, worker seconds and CPU of a fleet of videos, ours beside the alternatives in the same run.

``python -m benchmarks.run requests --videos 20 --rounds 3 --shapes ours,http-reschedule`` writes ``results/requests-20.json``.
Each round begins with another shape, so that none is always the first.
"""

from __future__ import annotations

import argparse
import itertools
import random
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from benchmarks import results
from benchmarks.measures import measure
from benchmarks.scene import CREATE_LATENCY, PARALLELISM, READ_LATENCY, Fleet, Scene, open_scene
from benchmarks.shapes import Shape, parse_shapes
from tests.support.stopping import ended_by_signals

Start = Literal["cold", "warm"]
#: Seconds of twenty videos between the shortest and the longest that were observed, fixed: 28 to 320, most of them below 120.
SPREAD = (28, 36, 44, 51, 58, 64, 70, 76, 82, 88, 95, 103, 112, 123, 137, 155, 180, 215, 262, 320)
_SHOWN = (
    ("requests_per_video", "requests"),
    ("notice_mean", "notice"),
    ("notice_p95", "p95"),
    ("worker_per_video", "worker s"),
    ("cpu_per_video", "CPU s"),
    ("wall", "wall s"),
    ("failed", "failed"),
)


def list_seconds(videos: int, seconds: float, plus_minus: float, *, seed: int) -> list[float]:
    """Return how long Kling takes for each video: evenly between both ends, in an order that the seed decides."""
    if videos == 1:
        return [seconds]
    step = 2 * plus_minus / (videos - 1)
    found = [round(seconds - plus_minus + number * step, 2) for number in range(videos)]
    random.Random(seed).shuffle(found)
    return found


def play(
    scene: Scene,
    shapes: Sequence[Shape],
    *,
    rounds: int,
    starts: Sequence[Start],
    fleet_of: Any,
) -> Iterator[tuple[str, Start, dict[str, Any]]]:
    """Run every shape in every round; yield its name, how the triggerer began, and its figures.

    :param starts: ``cold`` restarts the triggerer before the run; ``warm`` comes after a run of the same shape. What does not wait
        in the triggerer runs once.
    :param fleet_of: round and shape -> the videos.
    """
    for number in range(rounds):
        turned = [*shapes[number % len(shapes) :], *shapes[: number % len(shapes)]]
        for shape in turned:
            wanted: list[Start] = list(starts) if shape.is_deferred else ["warm"]
            if number == 0 and "cold" not in wanted and shape.is_deferred:
                scene.run(shape, fleet_of(f"the run before the first, {shape.name}"))
            for start in wanted:
                if start == "cold":
                    scene.restart_triggerer()
                outcome = scene.run(shape, fleet_of(f"round {number}, {start}, {shape.name}"))
                yield shape.name, start, measure(outcome)


def collect(
    scene: Scene,
    shapes: Sequence[Shape],
    *,
    rounds: int,
    starts: Sequence[Start],
    fleet_of: Any,
) -> dict[str, Any]:
    """Run everything, print a line for each run, and return rows and ratios for the JSON."""
    began = time.monotonic()
    rows: dict[tuple[str, Start], list[dict[str, Any]]] = {}
    print(f"{'':32}" + "".join(f"{head:>10}" for _, head in _SHOWN), flush=True)
    for name, start, figures in play(scene, shapes, rounds=rounds, starts=starts, fleet_of=fleet_of):
        rows.setdefault((name, start), []).append(figures)
        told = "".join(f"{_show(figures[key]):>10}" for key, _ in _SHOWN)
        print(f"{name + ', ' + start:32}{told}   after {time.monotonic() - began:.0f} s", flush=True)
    return {
        "rows": [
            {"shape": name, "start": start, "rounds": found, **_without_rounds(found)}
            for (name, start), found in rows.items()
        ],
        "ratios": list(_list_ratios(rows)),
        "seconds": round(time.monotonic() - began),
    }


def _without_rounds(found: list[dict[str, Any]]) -> dict[str, Any]:
    return {"spread": results.summarize(found)}


def _list_ratios(rows: dict[tuple[str, Start], list[dict[str, Any]]]) -> Iterator[dict[str, Any]]:
    """Yield ours : other for every pair that was measured in the same way."""
    kinds = {name: shape.kind for name, shape in _shapes().items()}
    for (ours, start), (other, how) in itertools.product(rows, rows):
        # What does not wait in the triggerer knows no cold start, and stands beside both.
        comparable = start == how or not _shapes()[other].is_deferred
        if kinds[ours] == "ours" and other != ours and comparable:
            ratio = results.compare(rows[ours, start], rows[other, how])
            yield {"ours": ours, "other": other, "start": start, "ratio": ratio}


def _shapes() -> dict[str, Shape]:
    from benchmarks.shapes import SHAPES

    return SHAPES


def _show(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}" if isinstance(value, float) else str(value)


def add_common_arguments(parser: argparse.ArgumentParser, *, shapes: str) -> None:
    """Add what every experiment on a whole Airflow takes."""
    parser.add_argument("--rounds", type=int, default=3, help="rounds (default: 3)")
    parser.add_argument(
        "--shapes",
        type=parse_shapes,
        default=parse_shapes(shapes),
        help=f"names with commas, or all ({shapes})",
    )
    parser.add_argument("--name", help="write results/NAME.json")
    parser.add_argument("--note", default="", help="a sentence for the page")
    parser.add_argument("--keep", type=Path, help="an empty folder for Airflow's home, which stays")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the experiment and write its JSON."""
    parser = argparse.ArgumentParser(
        prog="benchmarks.run requests",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_common_arguments(parser, shapes="all")
    parser.add_argument("--videos", type=int, default=20, help="how many at once (default: 20)")
    parser.add_argument("--seconds", type=float, default=90, help="what Kling takes for one (default: 90)")
    parser.add_argument("--plus-minus", type=float, default=5, help="by how much it differs (default: 5)")
    parser.add_argument("--spread", action="store_true", help="twenty videos of 28 to 320 s instead")
    parser.add_argument("--starts", choices=("both", "cold", "warm"), default="both", help="the triggerer's")
    wanted = parser.parse_args(arguments)
    starts: list[Start] = ["cold", "warm"] if wanted.starts == "both" else [wanted.starts]
    seconds = (
        [float(one) for one in SPREAD]
        if wanted.spread
        else list_seconds(wanted.videos, wanted.seconds, wanted.plus_minus, seed=wanted.videos)
    )
    name = wanted.name or ("requests-spread" if wanted.spread else f"requests-{wanted.videos}")
    document: dict[str, Any] = {
        "experiment": "requests",
        "machine": results.describe_machine(),
        "note": wanted.note,
    }
    document["settings"] = {
        "videos": len(seconds),
        "seconds": [min(seconds), max(seconds)],
        "rounds": wanted.rounds,
        "parallelism": PARALLELISM,
        "read_latency": READ_LATENCY,
        "create_latency": CREATE_LATENCY,
    }
    began = time.monotonic()
    with ended_by_signals(), open_scene(keep=wanted.keep) as scene:
        document |= collect(
            scene,
            wanted.shapes,
            rounds=wanted.rounds,
            starts=starts,
            fleet_of=lambda label: Fleet(label, seconds),
        )
    document["seconds"] = round(time.monotonic() - began)
    print(f"{results.write(name, document)} ({document['seconds']} s)")
    return 0


if __name__ == "__main__":
    sys.exit(main())

# SPDX-License-Identifier: Apache-2.0
"""Requests, notice, worker seconds and CPU of a fleet of videos, ours beside the alternatives in the same run.

``python -m benchmarks.run requests --videos 20 --rounds 3 --shapes ours,http-reschedule`` writes ``results/requests-20.json``.
Each round begins with another shape, so that none is always the first.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from benchmarks import results
from benchmarks.measures import measure
from benchmarks.scene import CREATE_LATENCY, PARALLELISM, READ_LATENCY, Fleet, Scene, open_scene
from benchmarks.shapes import SHAPES, Shape, parse_shapes
from tests.support.stopping import ended_by_signals

Start = Literal["cold", "warm"]
#: Seconds of twenty videos between the shortest and the longest that were observed, fixed: 28 to 320, most of them below 120.
SPREAD = (28, 36, 44, 51, 58, 64, 70, 76, 82, 88, 95, 103, 112, 123, 137, 155, 180, 215, 262, 320)
#: Videos that make a triggerer warm, where it is not measured cold.
_BEFORE = 2
_SHOWN = (
    ("requests_per_video", "requests"),
    ("notice_mean", "notice"),
    ("notice_p95", "p95"),
    ("worker_per_video", "worker s"),
    ("cpu_per_video", "CPU s"),
    ("wall", "wall s"),
    ("failed", "failed"),
)


def list_seconds(videos: int, seconds: float, plus_minus: float) -> list[float]:
    """Return how long Kling takes for each video: evenly between both ends, in a mixed order that is always the same."""
    if videos == 1:
        return [seconds]
    step = 2 * plus_minus / (videos - 1)
    found = [round(seconds - plus_minus + number * step, 2) for number in range(videos)]
    random.Random(videos).shuffle(found)
    return found


def play(
    scene: Scene,
    shapes: Sequence[Shape],
    *,
    rounds: int,
    starts: Sequence[Start],
    fleet_of: Callable[[str], Fleet],
) -> Iterator[tuple[str, Start, dict[str, Any]]]:
    """Run every shape in every round; yield its name, how the triggerer began, and its figures.

    :param starts: ``cold`` restarts the triggerer before the run; ``warm`` comes after a run of the same shape. What does not wait
        in the triggerer runs once.
    :param fleet_of: a label that no other run has -> the videos.
    """
    for number in range(rounds):
        turned = [*shapes[number % len(shapes) :], *shapes[: number % len(shapes)]]
        for shape in turned:
            wanted: list[Start] = list(starts) if shape.is_deferred else ["warm"]
            if number == 0 and "cold" not in wanted and shape.is_deferred:
                before = fleet_of(f"the run before the first, {shape.name}")
                scene.run(shape, Fleet(before.label, before.seconds[:_BEFORE]))
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
    fleet_of: Callable[[str], Fleet],
) -> Iterator[dict[str, Any]]:
    """Run everything and print a line for each run; yield rows and ratios for the JSON, so far, after each."""
    began = time.monotonic()
    rows: dict[tuple[str, Start], list[dict[str, Any]]] = {}
    print(f"{'':32}" + "".join(f"{head:>10}" for _, head in _SHOWN), flush=True)
    for name, start, figures in play(scene, shapes, rounds=rounds, starts=starts, fleet_of=fleet_of):
        rows.setdefault((name, start), []).append(figures)
        told = "".join(f"{_show(figures[key]):>10}" for key, _ in _SHOWN)
        print(f"{name + ', ' + start:32}{told}   after {time.monotonic() - began:.0f} s", flush=True)
        yield {
            "rows": [
                {"shape": name, "start": start, "spread": results.summarize(found), "rounds": found}
                for (name, start), found in rows.items()
            ],
            "ratios": list(_list_ratios(rows)),
        }


def _list_ratios(rows: dict[tuple[str, Start], list[dict[str, Any]]]) -> Iterator[dict[str, Any]]:
    """Yield ours : other for what was measured in the same way; ``other`` None is the best alternative of each figure."""
    for ours, start in (key for key in rows if SHAPES[key[0]].kind == "ours"):
        # What does not wait in the triggerer knows no cold start, and stands beside both.
        beside = {
            name: found
            for (name, how), found in rows.items()
            if name != ours and (how == start or not SHAPES[name].is_deferred)
        }
        best = results.find_best(
            [found for name, found in beside.items() if SHAPES[name].kind == "alternative"]
        )
        for other, found in ((None, best), *beside.items()):
            ratio = results.compare(rows[ours, start], found)
            yield {"ours": ours, "other": other, "start": start, "ratio": ratio}


def _show(value: Any) -> str:
    return "-" if value is None else f"{value:.2f}" if isinstance(value, float) else str(value)


def build_parser(name: str, text: str | None, *, shapes: str, rounds: int = 3) -> argparse.ArgumentParser:
    """Build the command line of an experiment on a whole Airflow, with what all of them take."""
    parser = argparse.ArgumentParser(
        prog=f"python -m benchmarks.run {name}",
        description=text,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rounds", type=int, default=rounds, help=f"rounds (default: {rounds})")
    parser.add_argument(
        "--shapes", type=parse_shapes, default=shapes, help=f"names with commas, or all (default: {shapes})"
    )
    parser.add_argument("--name", help="write results/NAME.json")
    parser.add_argument("--note", default="", help="a sentence for the page")
    parser.add_argument("--keep", type=Path, help="an empty folder for Airflow's home, which stays")
    return parser


def run_experiment(
    experiment: str,
    name: str,
    wanted: argparse.Namespace,
    seconds: Sequence[float],
    *,
    starts: Sequence[Start],
    settings: Mapping[str, Any] | None = None,
    limit: int | None = None,
    environment: Mapping[str, str] | None = None,
) -> int:
    """Run an experiment and write its JSON.

    :param experiment: its name on the command line.
    :param name: that of its file.
    :param wanted: what the command line said.
    :param seconds: how long Kling takes for each video.
    :param starts: how the triggerer begins.
    :param settings: what the JSON says of the experiment, beside what is common.
    :param limit: the account's limit.
    :param environment: settings of Airflow.
    """
    document: dict[str, Any] = {
        "experiment": experiment,
        "machine": results.describe_machine(),
        "note": wanted.note,
        "settings": {
            "videos": len(seconds),
            "seconds": [min(seconds), max(seconds)],
            "rounds": wanted.rounds,
            "parallelism": PARALLELISM,
            "read_latency": READ_LATENCY,
            "create_latency": CREATE_LATENCY,
            **(settings or {}),
        },
    }
    began = time.monotonic()
    with (
        ended_by_signals(),
        open_scene(keep=wanted.keep, limit=limit, environment=environment) as scene,
    ):
        document["idle_cpu"] = scene.read_idle_cpu()
        for found in collect(
            scene,
            wanted.shapes,
            rounds=wanted.rounds,
            starts=starts,
            fleet_of=lambda label: Fleet(label, seconds),
        ):
            # After each run: hours are not lost by a Ctrl-C.
            results.write(name, {**document, **found, "seconds": round(time.monotonic() - began)})
    print(results.FOLDER / f"{name}.json")
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line."""
    parser = build_parser("requests", __doc__, shapes="all")
    parser.add_argument("--videos", type=int, default=20, help="how many at once (default: 20)")
    parser.add_argument("--seconds", type=float, default=90, help="what Kling takes for one (default: 90)")
    parser.add_argument("--plus-minus", type=float, default=5, help="by how much it differs (default: 5)")
    parser.add_argument("--spread", action="store_true", help="twenty videos of 28 to 320 s instead")
    parser.add_argument("--starts", choices=("both", "cold", "warm"), default="both", help="the triggerer's")
    wanted = parser.parse_args(arguments)
    starts: list[Start] = ["cold", "warm"] if wanted.starts == "both" else [wanted.starts]
    if wanted.spread:
        seconds = [float(one) for one in SPREAD]
        random.Random(1).shuffle(seconds)
    else:
        seconds = list_seconds(wanted.videos, wanted.seconds, wanted.plus_minus)
    name = wanted.name or ("requests-spread" if wanted.spread else f"requests-{wanted.videos}")
    return run_experiment("requests", name, wanted, seconds, starts=starts)


if __name__ == "__main__":
    sys.exit(main())

# SPDX-License-Identifier: Apache-2.0
"""The benchmark of the queue: how well the queue uses an account's concurrency limit of five, and how fair it is."""

from __future__ import annotations

import time
from pathlib import Path
from statistics import mean

from tests.faults import report
from tests.faults.counting import Line
from tests.faults.rate_limits import LIMIT, in_their_order
from tests.faults.runner import play_all
from tests.faults.scenario import Expect, Scenario
from tests.faults.stage import Stage

#: What the design asks for.
STATED, LEARNED, EMPTY, SHARE = 2.2, 3.0, 4.0, 0.7
#: The same where nobody states the limit: one task more is tried by a probe every half minute.
EMPTY_LEARNED = 12.0


def unused_times(stage: Stage) -> list[float]:
    """Seconds from the end of each task at Kling to the create that takes its place, from the fifth create to the last."""
    tasks = stage.sandbox.stats()["in_flight"]
    began = sorted(task["began"] / 1000 for task in tasks)
    ended = sorted(task["ended"] / 1000 for task in tasks if task["ended"] is not None)
    return [max(0.0, after - before) for before, after in zip(ended, began[LIMIT:], strict=False)]


def measure(stage: Stage, creates: float, empty: float) -> None:
    per_video = stage.creates / stage.scenario.videos
    times = unused_times(stage)
    stage.notes |= {
        "creates per video": round(per_video, 2),
        "capacity is unused for": round(mean(times), 2),
        "longest": round(max(times), 2),
    }
    stage.check(per_video <= creates, f"{per_video:.2f} creates per video, must be at most {creates}")
    stage.check(
        mean(times) <= empty, f"capacity was unused for {mean(times):.1f} s on average, must be {empty:g}"
    )
    in_their_order(stage)


def stated(stage: Stage) -> None:
    stage.start().finish()
    measure(stage, STATED, EMPTY)


def learned(stage: Stage) -> None:
    stage.start().finish()
    measure(stage, LEARNED, EMPTY_LEARNED)


def fifty_wait(stage: Stage) -> None:
    """No task that waits holds a worker slot. When that was seen, Kling's clock runs faster, for the rest of the run."""
    run = stage.start()
    run.wait_in_queue(50)
    holding = sum(one.state in ("running", "queued") for one in run.instances())
    stage.notes["holding a worker slot"] = holding
    stage.check(not holding, f"{holding} instances hold a worker slot while 50 wait")
    run.until(lambda: hurried(stage) and run.state() in ("success", "failed"), "the end of the run")


def hurried(stage: Stage) -> bool:
    stage.sandbox.advance(4)
    return True


def two_dags(stage: Stage) -> None:
    """Twenty videos each; a third of a minute apart, so that one has the whole queue before the other comes."""
    first = stage.start("pay")
    first.wait_in_queue(12)
    stage.write_rows(
        [{**row, "prompt": f"other {row['prompt']}", "name": f"other-{row['name']}"} for row in stage.rows()]
    )
    second = stage.start("pausable")
    second.wait_in_queue(12)
    since = time.time()
    runs = (first, second)
    stage.until(
        lambda: any(not any(one.waits_in_queue for one in run.instances()) for run in runs),
        "one of the queues to be empty",
    )
    until = time.time()
    made = [
        str(task.request.prompt).startswith("other")
        for task in stage.sandbox.backend.all()
        if since <= task.created <= until
    ]
    share = max(sum(made), len(made) - sum(made)) / max(1, len(made))
    stage.notes |= {"made while both queued": len(made), "share of one Dag": round(share, 2)}
    stage.check(len(made) >= 8, f"only {len(made)} were made while both queued")
    stage.check(share <= SHARE, f"one Dag got {share:.0%} of the creates, must be at most {SHARE:.0%}")
    for run in runs:
        run.finish()


def two_models(stage: Stage) -> None:
    """One model is at its limit for a long time; the other's videos are made meanwhile."""
    stage.sandbox.set_faults([{"kind": "slow_render", "factor": 12, "match": {"model": "kling-3.0"}}])
    full = stage.start("pay")
    full.wait_in_queue(stage.scenario.videos - LIMIT)
    began = time.monotonic()
    stage.write_rows(
        [
            {**row, "model": "kling-2.6", "duration": 5, "prompt": f"other {row['prompt']}"}
            for row in stage.rows()
        ]
    )
    other = stage.start("pausable")
    other.until(lambda: other.state() == "success", "the other model's videos", 200)
    still = sum(one.waits_in_queue for one in full.instances())
    stage.notes |= {
        "the other took": round(time.monotonic() - began),
        "still waiting for the full one": still,
    }
    stage.check(still >= 5, f"only {still} still waited for the full model: nothing was shown")
    full.finish()


FEW = {"concurrency": LIMIT}
SCENARIOS = (
    Scenario(
        name="fifty-wait",
        fault="50 tasks wait in the queue",
        play=fifty_wait,
        videos=55,
        sandbox={**FEW, "render_seconds": 60},
    ),
    Scenario(
        name="two-dags",
        fault="two Dags share a connection",
        play=two_dags,
        lists=2,
        sandbox={**FEW, "render_seconds": 20},
    ),
    Scenario(
        name="two-models",
        fault="two models with a limit each",
        play=two_models,
        videos=15,
        lists=2,
        sandbox={**FEW, "render_seconds": 6},
        timeout=600,
    ),
    Scenario(
        name="limit-learned",
        fault="40 videos of 30 s, limit 5 that nobody states",
        play=learned,
        videos=40,
        sandbox={**FEW, "render_seconds": 30, "pack": "plain"},
        alone=True,
        timeout=900,
    ),
    Scenario(
        name="limit-stated",
        fault="40 videos of 30 s, limit 5",
        play=stated,
        videos=40,
        sandbox={**FEW, "render_seconds": 30},
        extra={"max_concurrency": LIMIT},
        expect=Expect(failed=0),
        alone=True,
        timeout=900,
    ),
)


def main(path: Path, *, keep: bool = False) -> int:
    began = time.monotonic()
    print(report.header(), flush=True)

    def tell(line: Line) -> None:
        print(report.row(line), flush=True)

    lines = play_all(SCENARIOS, tell, keep=keep)
    report.save(path, lines, seconds=time.monotonic() - began)
    print(f"\n{report.table(lines)}")
    for line in lines:
        print(f"  {line.name}: " + "; ".join(f"{name} {value}" for name, value in line.notes.items()))
    return 1 if any(line.problems for line in lines) else 0

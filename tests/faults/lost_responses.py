# SPDX-License-Identifier: Apache-2.0
"""Faults of the way to Kling and back: answers that are lost, wrong, late, or somebody else's."""

from __future__ import annotations

from typing import Any

from tests.faults.scenario import HELD, Expect, Scenario
from tests.faults.stage import Stage

HALF: dict[str, Any] = {"probability": 0.5}


def each_third(kind: str, key: str, values: list[Any]) -> list[dict[str, Any]]:
    """The same fault in several values, each in a fifth of the cases."""
    return [{"kind": kind, key: value, "probability": 0.2} for value in values]


def reads_fail(stage: Stage) -> None:
    """From the moment when all wait for their videos."""
    run = stage.start()
    run.wait_for_videos()
    stage.sandbox.set_faults([{"kind": "outage", "for_seconds": 120}])
    run.finish()
    stage.check(stage.sandbox.stats()["faults"].get("outage", 0) > 3, "hardly a read met the outage")


def port_closed(stage: Stage) -> None:
    """Nobody listens when the first creates come, for longer than one retry takes."""
    stage.sandbox.set_faults([{"kind": "refuse_connect", "seconds": 25}])
    stage.start().finish()


SCENARIOS = (
    Scenario(
        name="lost-after",
        fault="answer lost after the task was made",
        faults=[{"kind": "answer_lost_after", **HALF}],
    ),
    Scenario(
        name="lost-before",
        fault="answer lost before anything was made",
        faults=[{"kind": "answer_lost_before", **HALF}],
    ),
    Scenario(
        name="5000-after",
        fault="5000, 5001, 5002, and the task was made",
        faults=each_third("error_after", "code", [5000, 5001, 5002]),
    ),
    Scenario(
        name="5000-before",
        fault="5000, 5001, 5002, and nothing was made",
        faults=each_third("error_before", "code", [5000, 5001, 5002]),
    ),
    Scenario(
        name="html-502",
        fault="HTML 502 of a proxy, with and without a task",
        faults=[
            {"kind": "html_502", "probability": 0.3},
            {"kind": "html_502", "made": True, "probability": 0.5},
        ],
    ),
    Scenario(name="redirect", fault="a redirect", faults=[{"kind": "redirect", **HALF}]),
    Scenario(
        name="cut", fault="the answer's body is cut in the middle", faults=[{"kind": "answer_cut", **HALF}]
    ),
    Scenario(name="refused", fault="connect refused for 25 s", play=port_closed),
    Scenario(
        name="read-timeout",
        fault="read time-out, with and without a task",
        faults=[
            {"kind": "slow", "seconds": 12, "before": True, "probability": 0.3},
            {"kind": "slow", "seconds": 12, "probability": 0.3},
        ],
        extra={"timeout": 3},
    ),
    Scenario(
        name="reads-fail",
        fault="reads fail for 120 s",
        play=reads_fail,
        sandbox={"render_seconds": HELD},
        expect=Expect(most_creates=20),
    ),
)

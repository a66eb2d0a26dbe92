# SPDX-License-Identifier: Apache-2.0
"""docs/performance.md and its pictures are what the results give (``python -m benchmarks.run page`` writes them)."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any
from xml.etree import ElementTree

import pytest

from benchmarks import report, results
from benchmarks.goals import Verdict, list_verdicts
from benchmarks.run import EXPERIMENTS
from benchmarks.schedule import SCHEDULE
from benchmarks.shapes import SHAPES

Row = dict[str, Any]


def make_round(**figures: float) -> Row:
    usual = {
        "videos": 20,
        "delivered": 20,
        "failed": 0,
        "requests_per_video": 2.4,
        "creates_per_video": 1.0,
        "notice_mean": 1.5,
        "notice_p95": 3.0,
        "worker_per_video": 1.1,
        "cpu_per_video": 2.0,
        "wall": 110.0,
        "load_before": 0.1,
        "load_after": 1.2,
        **{f"cpu_{part}_per_video": 0.5 for part in ("worker", "triggerer", "scheduler", "api_server")},
    }
    return {**usual, **figures}


def make_document(*, busy: float = 1, **shapes: list[Row]) -> dict[str, Any]:
    """A result of twenty videos, with the rounds of each shape."""
    named = {name.replace("_", "-"): rounds for name, rounds in shapes.items()}
    rows = [
        {"shape": name, "start": "warm", "spread": results.summarize(rounds), "rounds": rounds}
        for name, rounds in named.items()
    ]
    ratios = [
        {
            "ours": "ours",
            "other": other,
            "start": "warm",
            "ratio": results.compare(named["ours"], named[other]),
        }
        for other in named
        if other != "ours"
    ]
    return {
        "experiment": "requests",
        "machine": {
            "at": "2026-11-27T19:00:00+00:00",
            "commit": "abc",
            "cores": 2,
            "python": "3.11.7",
            "versions": {"apache-airflow": "3.3.2"},
            "load_before": [0.1, 0.1, 0.1],
            "busy_before": busy,
            "shared": busy > 10,
        },
        "note": "",
        "settings": {"videos": 20, "seconds": [85, 95], "rounds": len(named["ours"])},
        "rows": rows,
        "ratios": ratios,
        "seconds": 600,
    }


def judge(document: dict[str, Any], text: str) -> Verdict:
    verdicts = list_verdicts({"requests-20": document})
    (found,) = [one for one in verdicts if one.file == "requests-20" and one.text.startswith(text)]
    return found


def test_the_page_is_what_the_results_give() -> None:
    assert report.PAGE.read_text(encoding="utf-8") == report.build_page(report.load_documents()), (
        "python -m benchmarks.run page writes it"
    )


def test_the_pictures_are_what_the_results_give() -> None:
    found = {file.name: file.read_text(encoding="utf-8") for file in report.IMAGES.glob("performance-*.svg")}
    assert found == report.build_pictures(report.load_documents())


def test_what_was_not_run_says_so() -> None:
    page = report.build_page({})
    for step in SCHEDULE:
        assert f"Not run: `{step.command}`." in page
    assert "met" not in page.partition("## The goals")[2].partition("## ")[0]


def test_a_result_is_shown_with_all_its_rounds() -> None:
    rounds = [make_round(requests_per_video=value) for value in (2.4, 2.2, 2.6)]
    others = [make_round(requests_per_video=value) for value in (12.0, 11.0, 13.0)]
    document = make_document(ours=rounds, trigger_per_task=others)
    page = report.build_page({"requests-20": document})
    label = SHAPES["ours"].label
    assert f"| {label} | warm | 2.40 (2.20–2.60) |" in page
    assert f"| {SHAPES['trigger-per-task'].label} | warm | 0.20 |" in page
    assert "![Bars of the table below](images/performance-requests-20.svg)" in page
    assert "| `python -m benchmarks.run requests --videos 20` | 10.0 min |" in page
    (picture,) = report.build_pictures({"requests-20": document}).values()
    texts = [one.text for one in ElementTree.fromstring(picture).iter("{http://www.w3.org/2000/svg}text")]
    assert texts[:5] == ["Requests per video", "ours", "2.4", "trigger-per-task", "12"]


@pytest.mark.parametrize(("requests", "met"), [(2.5, True), (2.51, False)])
def test_a_goal_is_met_at_its_limit(requests: float, met: bool) -> None:
    document = make_document(ours=[make_round(requests_per_video=requests)] * 3)
    assert judge(document, "requests per video, N = 20").met is met


def test_a_third_of_the_requests_counts_beside_the_best_alternative_that_delivered() -> None:
    """One that loses videos is cheap, and no yardstick."""
    text = "requests : those of the best alternative"
    lossy = [make_round(requests_per_video=1.0, delivered=19)] * 3
    best = [make_round(requests_per_video=8.0, notice_mean=5.0)] * 3
    document = make_document(ours=[make_round()] * 3, http_reschedule=best, http_poke=lossy)
    assert judge(document, text).met is True
    quick = [make_round(requests_per_video=8.0, notice_mean=1.0)] * 3
    assert judge(make_document(ours=[make_round()] * 3, http_reschedule=quick), text).met is False
    assert judge(make_document(ours=[make_round()] * 3, http_poke=lossy), text).met is None


def test_a_weak_verdict_says_why() -> None:
    strong = make_document(ours=[make_round()] * 3)
    assert judge(strong, "mean notice, N = 20").because == ""
    weak = make_document(busy=80, ours=[make_round()])
    assert judge(weak, "mean notice, N = 20").because == "1 round, shared machine"
    assert "met (1 round, shared machine)" in report.build_page({"requests-20": weak})


def test_a_result_of_others_brings_its_own_goals() -> None:
    goal = {"text": "longest stop of the loop", "limit": "≤ 100 ms", "measured": "40 ms", "met": True}
    page = report.build_page({"waiting": {"goals": [goal], "per wait": {"kilobytes": 3.7}, "seconds": 60}})
    assert "| longest stop of the loop | ≤ 100 ms | 40 ms | met | `waiting` |" in page
    assert "| per wait kilobytes | 3.7 |" in page


def test_every_shape_has_its_dag() -> None:
    there = {file.stem for file in (results.REPOSITORY / "benchmarks" / "dags").glob("*.py")}
    assert there == {shape.dag_id for shape in SHAPES.values()}


def test_every_step_has_its_experiment_and_a_result_of_its_own() -> None:
    for step in SCHEDULE:
        assert find_spec(EXPERIMENTS[step.experiment]) is not None
    assert len({step.file for step in SCHEDULE}) == len({step.command for step in SCHEDULE}) == len(SCHEDULE)

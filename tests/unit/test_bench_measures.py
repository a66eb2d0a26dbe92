# SPDX-License-Identifier: Apache-2.0
"""The figures of ``make bench``, from what a run left behind."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks import results
from benchmarks.history import Instance
from benchmarks.measures import find_percentile, list_waits_for_a_place, measure
from benchmarks.scene import Fleet, Outcome
from benchmarks.shapes import SHAPES

BEGAN = 1_800_000_000.0


def make_task(number: int, *, ended: float | None, told: float | None, created: float = 0) -> dict[str, Any]:
    """A task of the sandbox; seconds after the beginning."""

    def at(seconds: float | None) -> int | None:
        return None if seconds is None else round((BEGAN + seconds) * 1000)

    prompt = f"Video {number:04d} of a test"
    return {"prompt": prompt, "created": at(created), "ended": at(ended), "told": at(told)}


def make_instance(task_id: str, map_index: int, *states: tuple[float, str | None]) -> Instance:
    return Instance(task_id, map_index, [(BEGAN + seconds, state) for seconds, state in states])


def make_outcome(
    shape: str, instances: list[Instance], tasks: list[dict[str, Any]], *, limit: int | None = None
) -> Outcome:
    creates = {"received": 3, "made": 2}
    paths = {"POST /text-to-video/{model}": 3, "GET /tasks": 4, "POST /tasks": 1, "GET /files/{id}/{id}": 7}
    return Outcome(
        shape=SHAPES[shape],
        fleet=Fleet("a test", [10.0, 12.0]),
        state="success",
        wall=20.0,
        tasks=tasks,
        stats={
            "creates": creates,
            "reads": 4,
            "lists": 1,
            "downloads": 7,
            "account_reads": 0,
            "paths": paths,
        },
        instances=instances,
        cpu={"worker": 2.0, "triggerer": 1.0, "scheduler": 0.5, "api_server": 0.5, "dag_processor": 9.0},
        load=(0.1, 0.9),
        blocked=0,
        limit=limit,
    )


def deferred(map_index: int, *, woken: float, end: str = "success") -> Instance:
    return make_instance(
        "video",
        map_index,
        (0, "queued"),
        (1, "running"),
        (2, "deferred"),
        (woken, "scheduled"),
        (woken + 0.5, "queued"),
        (woken + 1, "running"),
        (woken + 1.5, end),
    )


def test_a_deferred_task_has_noticed_when_it_leaves_deferred() -> None:
    tasks = [make_task(0, ended=10, told=10.1), make_task(1, ended=12, told=12.1)]
    figures = measure(make_outcome("ours", [deferred(0, woken=11), deferred(1, woken=15)], tasks))
    assert (figures["notice_mean"], figures["notice_p95"]) == (2.0, 3.0)
    assert (figures["delivered"], figures["failed"]) == (2, 0)
    assert figures["worker_per_video"] == 1.5
    assert figures["queued_per_video"] == 1.5


def test_leaving_the_queue_before_the_end_is_no_notice() -> None:
    one = make_instance(
        "video",
        0,
        (0, "running"),
        (1, "deferred"),
        (4, "scheduled"),
        (5, "running"),
        (6, "deferred"),
        (10.5, "scheduled"),
        (11, "running"),
        (12, "success"),
    )
    figures = measure(make_outcome("ours", [one], [make_task(0, ended=10, told=10.1)]))
    assert figures["notice_mean"] == 0.5


def test_another_task_has_noticed_when_the_answer_is_there() -> None:
    one = make_instance("video.wait", 0, (0, "running"), (13, "success"))
    tasks = [make_task(0, ended=10, told=11), make_task(1, ended=12, told=None)]
    figures = measure(make_outcome("http-poke", [one], tasks))
    assert figures["notice_mean"] == pytest.approx(1.15)
    assert figures["noticed"] == 1


def test_requests_are_all_calls_but_downloads_and_cpu_is_what_the_fleet_costs() -> None:
    figures = measure(make_outcome("ours", [deferred(0, woken=11), deferred(1, woken=13)], []))
    assert (figures["requests_per_video"], figures["creates_per_video"]) == (4.0, 1.5)
    assert (figures["cpu_per_video"], figures["cpu_dag_processor_per_video"]) == (2.0, 4.5)
    assert (figures["notice_mean"], figures["notice_p95"]) == (None, None)


def test_what_failed_is_counted_and_the_list_of_prompts_is_no_video() -> None:
    prompts = make_instance("prompts", -1, (0, "running"), (50, "failed"))
    figures = measure(
        make_outcome("ours", [prompts, deferred(0, woken=11), deferred(1, woken=13, end="failed")], [])
    )
    assert (figures["delivered"], figures["failed"], figures["worker_per_video"]) == (1, 1, 1.5)


def test_a_place_is_empty_from_an_end_to_the_next_create() -> None:
    tasks = [
        make_task(0, created=0, ended=10, told=None),
        make_task(1, created=1, ended=14, told=None),
        make_task(2, created=12, ended=20, told=None),
        make_task(3, created=15, ended=30, told=None),
    ]
    assert list_waits_for_a_place(tasks, 2) == [2.0, 1.0]
    figures = measure(make_outcome("ours", [deferred(0, woken=11)], tasks, limit=2))
    assert (figures["empty_mean"], figures["refused_per_video"]) == (1.5, 0.5)


@pytest.mark.parametrize(("values", "found"), [([], None), ([3.0], 3.0), (list(range(1, 101)), 95)])
def test_the_percentile_is_a_value_that_was_seen(values: list[float], found: float | None) -> None:
    assert find_percentile(values, 95) == found


def test_rounds_are_compared_each_by_itself() -> None:
    ours, other = [{"wall": 10.0}, {"wall": 30.0}], [{"wall": 20.0}, {"wall": 40.0}]
    assert results.compare(ours, other)["wall"] == {"median": 0.625, "lowest": 0.5, "highest": 0.75}
    assert results.compare([{"wall": None}], [{"wall": 1.0}])["wall"]["median"] is None


def test_the_best_is_found_for_each_figure_among_those_that_delivered_everything() -> None:
    def make_round(delivered: int, **figures: float) -> dict[str, Any]:
        return {**dict.fromkeys(results.COMPARED), "videos": 20, "delivered": delivered, **figures}

    few = [make_round(20, requests_per_video=3.0, wall=100.0), make_round(20, requests_per_video=4.0)]
    quick = [make_round(20, requests_per_video=9.0, wall=90.0)]
    lossy = [make_round(19, requests_per_video=1.0, wall=10.0)]
    first, second = results.find_best([few, quick, lossy])
    assert (first["requests_per_video"], first["wall"], first["notice_mean"]) == (3.0, 90.0, None)
    assert (second["requests_per_video"], second["wall"]) == (4.0, None)

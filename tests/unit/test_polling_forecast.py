# SPDX-License-Identifier: Apache-2.0
"""When tasks in flight are likely to end, and how long workers take: learned from what the lists show."""

from __future__ import annotations

import pytest

from kling_provider.polling.forecast import Forecast, WorkerStarts
from kling_provider.polling.render_times import RenderKind, RenderTimes

KIND = RenderKind("text_to_video", "kling-3.0", 5, "1080p", "off")


def learned(*seconds: float) -> RenderTimes:
    times = RenderTimes()
    for one in seconds:
        times.record(KIND, one)
    return times


def looked(forecast: Forecast, now: float, **made_at: float | None) -> Forecast:
    forecast.observe(now, [(name, at, "kling-3.0", KIND) for name, at in made_at.items()])
    return forecast


def test_half_of_them_have_ended_at_the_likely_time():
    forecast = looked(Forecast(learned(85, 88, 90, 92, 95)), 50.0, a=0.0)
    chances = [forecast.compute_chance("a", at) for at in (50, 70, 85, 90, 95, 120)]
    assert chances == sorted(chances)
    assert chances[0] == chances[1] == 0.0
    assert 0.0 < chances[2] < 0.2
    assert chances[3] == pytest.approx(0.5)
    assert chances[4] > 0.75
    assert chances[5] < 1.0


def test_what_is_in_flight_still_counts():
    """At 94 s most of its kind have ended; that it has not makes its end likelier within the next second, and never sure."""
    forecast = looked(Forecast(learned(85, 88, 90, 92, 95)), 94.0, a=0.0)
    assert forecast.compute_chance("a", 94.0) == 0.0
    fresh = looked(Forecast(learned(85, 88, 90, 92, 95)), 94.0, a=4.0)
    assert forecast.compute_chance("a", 97.0) > fresh.compute_chance("a", 97.0) > 0.0


def test_a_task_that_is_far_too_late_is_not_expected_at_any_moment():
    forecast = looked(Forecast(learned(85, 88, 90, 92, 95)), 900.0, a=0.0)
    assert forecast.compute_chance("a", 903.0) < 0.2


@pytest.mark.parametrize("seconds", [(), (90,), (90, 91)])
def test_too_few_tell_nothing(seconds):
    forecast = looked(Forecast(learned(*seconds)), 89.0, a=0.0)
    assert forecast.compute_chance("a", 95.0) == 0.0


def test_without_a_kind_the_lists_themselves_tell():
    """Of other clients' tasks no more is known than when they came and went."""
    forecast = Forecast(RenderTimes())
    for began in (0.0, 100.0, 200.0):
        for now, present in ((began + 1, True), (began + 58, True), (began + 62, False)):
            forecast.observe(now, [(f"t{began}", began, None, None)] if present else [])
    forecast.observe(300.0, [("new", 300.0, "kling-3.0", None)])
    assert forecast.compute_chance("new", 355.0) == 0.0
    assert forecast.compute_chance("new", 362.0) > 0.4


def test_what_ended_while_nobody_looked_tells_nothing():
    forecast = Forecast(RenderTimes())
    for began in (0.0, 100.0, 200.0):
        forecast.observe(began + 1, [(f"t{began}", began, None, None)])
        forecast.observe(began + 90, [])
    forecast.observe(300.0, [("new", 300.0, None, None)])
    assert forecast.compute_chance("new", 390.0) == 0.0


def test_a_clock_of_kling_that_differs_is_corrected():
    """It says an hour ago; but it was not in the list of two seconds before."""
    forecast = looked(Forecast(learned(85, 88, 90, 92, 95)), 100.0)
    looked(forecast, 102.0, a=102.0 - 3600.0)
    assert forecast.compute_chance("a", 103.0) == 0.0
    assert forecast.compute_chance("a", 191.0) == pytest.approx(0.5, abs=0.1)


def test_a_task_whose_begin_nobody_knows_is_not_expected():
    forecast = looked(Forecast(learned(85, 88, 90, 92, 95)), 100.0, a=None)
    assert forecast.compute_chance("a", 190.0) == 0.0
    assert forecast.compute_chance("never seen", 190.0) == 0.0


def test_the_start_of_workers_is_the_median_of_the_last_ones():
    starts = WorkerStarts()
    assert starts.likely > 0
    for one in (20.0, 21.0, 300.0):
        starts.record(one)
    assert starts.likely == 21.0
    for _ in range(9):
        starts.record(3.0)
    assert starts.likely == 3.0


def test_an_early_worker_tells_only_how_long_it_took_at_most():
    starts = WorkerStarts()
    starts.record(5.0)
    starts.record_at_most(12.0)
    assert starts.likely == 5.0
    starts.record_at_most(1.0)
    starts.record_at_most(1.0)
    assert starts.likely == 1.0
    starts.record(-4.0)
    assert starts.likely == 1.0

# SPDX-License-Identifier: Apache-2.0
"""How long Kling takes for a kind of request, learned from the tasks that ended."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_provider.api.models import expected_seconds
from kling_provider.polling.render_times import Estimate, RenderKind, RenderTimes, find_render_times

CLIP = RenderKind("text_to_video", "kling-3.0", 5, "1080p", "native")


def times_of(*seconds: float, kind: RenderKind = CLIP) -> RenderTimes:
    times = RenderTimes()
    for one in seconds:
        times.record(kind, one)
    return times


def estimate(times: RenderTimes, kind: RenderKind = CLIP) -> Estimate:
    found = times.estimate(kind)
    assert found is not None
    return found


def test_before_anything_was_seen_the_catalog_says_it():
    found = estimate(RenderTimes())
    assert found.likely == expected_seconds("kling-3.0", 5)
    assert found.early < found.likely < found.late
    assert found.seen == 0


def test_what_neither_a_task_nor_the_catalog_tells_is_not_known():
    assert RenderTimes().estimate(RenderKind("image_generation", "kling-3.0")) is None
    assert RenderTimes().estimate(RenderKind("text_to_video")) is None


def test_what_was_seen_counts_more_than_the_catalog():
    draw = random.Random(1)
    found = estimate(times_of(*[draw.uniform(85, 95) for _ in range(32)]))
    assert 84 < found.early < 87
    assert 93 < found.late < 96.5
    assert found.seen == 32


def test_one_task_alone_leaves_the_range_wider_than_many_do():
    one, many = estimate(times_of(90)), estimate(times_of(*[90] * 32))
    assert one.early < many.early <= 90 <= many.late < one.late


def test_an_outlier_moves_nothing():
    ordinary = [88, 92, 90, 89, 91, 87]
    assert estimate(times_of(*ordinary, 3000)).late < 110
    assert estimate(times_of(*ordinary, 2)).early > 70


def test_a_new_normal_is_believed_after_four_tasks():
    times = times_of(*[90, 91, 92, 89] * 8)
    for _ in range(4):
        times.record(CLIP, 30)
    assert 25 < estimate(times).early < estimate(times).late < 35


@pytest.mark.parametrize("legacy", ["kling-v3", "kling-3.0"])
def test_either_name_of_a_model_is_the_same_model(legacy):
    kind = RenderKind("text_to_video", legacy, 5, "1080p", "native")
    assert estimate(times_of(40), kind).likely == 40


def test_what_was_not_seen_yet_is_estimated_from_what_is_nearest():
    times = times_of(40, 41, 42)
    other_resolution = RenderKind("text_to_video", "kling-3.0", 5, "4k", "off")
    assert estimate(times, other_resolution).likely == 41
    twice_as_long = RenderKind("text_to_video", "kling-3.0", 10, "1080p", "native")
    assert estimate(times, twice_as_long).likely == pytest.approx(82)
    other_model = RenderKind("text_to_video", "kling-2.6", 5, "1080p", "native")
    assert estimate(times, other_model).seen == 0


def test_a_kind_of_which_little_was_seen_is_estimated_from_the_less_specific_one():
    times = times_of(40, 41, 42)
    silent = RenderKind("text_to_video", "kling-3.0", 5, "1080p", "off")
    times.record(silent, 200)
    assert estimate(times, silent).likely == 41.5


def test_what_the_catalog_does_not_know_is_learned_as_well():
    picture = RenderKind("image_generation", "kling-3.0")
    assert estimate(times_of(24, 25, 23, kind=picture), picture).likely == 24


@pytest.mark.parametrize("seconds", [0, -3, float("nan"), float("inf"), 1e9])
def test_what_cannot_be_a_duration_is_left_out(seconds):
    assert estimate(times_of(seconds)).seen == 0


def test_the_memory_is_bounded_and_keeps_what_was_used_last():
    times = RenderTimes()
    for number in range(3000):
        times.record(RenderKind(f"type-{number}", "m", number), 10)
    assert times.estimate(RenderKind("type-2999", "m", 2999)) == Estimate(
        10, pytest.approx(9.6), pytest.approx(10.4), 1
    )
    assert estimate(times, RenderKind("type-0", "m", 5)).seen == 0


def test_each_connection_has_times_of_its_own():
    find_render_times("one of two").record(CLIP, 3)
    assert estimate(find_render_times("one of two")).likely == 3
    assert estimate(find_render_times("two of two")).seen == 0


@given(st.lists(st.floats(0.1, 80_000), min_size=1, max_size=100))
def test_an_estimate_is_in_order_and_near_what_was_seen(seconds):
    found = estimate(times_of(*seconds))
    assert 0 < found.early <= found.likely <= found.late
    assert min(seconds) <= found.likely <= max(seconds)
    assert 1 <= found.seen <= 32


@given(st.integers(0, 10_000), st.floats(5, 500), st.floats(0, 0.2))
def test_hardly_any_task_ends_outside_the_range_once_many_were_seen(seed, middle, part):
    draw = random.Random(seed)
    times = times_of(*[draw.uniform(1 - part, 1 + part) * middle for _ in range(32)])
    found = estimate(times)
    outside = sum(
        not found.early <= draw.uniform(1 - part, 1 + part) * middle <= found.late for _ in range(300)
    )
    assert outside <= 75

# SPDX-License-Identifier: Apache-2.0
"""When a task is looked at: the rules, and what they cost and bring, on a clock that is not real."""

from __future__ import annotations

import asyncio
import random
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_provider.polling.looks import SHORTEST_PACE, Window, find_next_look
from kling_provider.polling.render_times import Estimate
from tests.support.virtual_time import VirtualKling, run_virtually, serving_virtually, watch_video

NOW = 1_790_000_000.0
#: A create and the worker's read for a fresh link.
FLOOR = 2


def look(
    now: float, sharing: int = 1, interval: float | None = None, *, opens: float = 85, closes: float = 95
):
    return find_next_look(NOW + now, Window(NOW + opens, NOW + closes), sharing, interval) - NOW


def test_alone_three_looks_cover_ten_seconds_and_the_last_falls_on_their_end():
    assert look(85) == pytest.approx(88.67, abs=0.01)
    assert look(88.67) == pytest.approx(91.99, abs=0.01)
    assert look(91.99) == pytest.approx(95, abs=0.01)


def test_shared_looks_come_as_often_as_is_worth_while():
    assert look(85, 20) == look(85, 10_000) == pytest.approx(85 + SHORTEST_PACE)


def test_before_the_end_is_likely_a_look_is_rare_and_the_opening_is_no_look_missed():
    assert look(10) == 85
    assert look(10, 20) == pytest.approx(10 + 200 / 20**0.5)
    assert look(10, 20, opens=900, closes=1000) == pytest.approx(10 + 200 / 20**0.5)


def test_long_after_the_likely_end_looks_become_rare_and_stay_a_minute_apart_at_most():
    pauses = [look(at) - at for at in (96, 115, 195, 400, 4000)]
    assert pauses == sorted(pauses)
    assert pauses[-1] == 60


def test_the_users_interval_is_kept_while_the_end_is_likely_and_is_the_shortest_pause_ever():
    assert look(86, 20, 7.0) == 93
    assert look(96, 20, 7.0) == 103
    assert look(10, 400, 45.0, opens=900, closes=1000) == 55


def test_what_only_the_catalog_tells_is_looked_at_from_the_start_on():
    assert Window.of_estimate(NOW, Estimate(230, 92, 460)).opens == NOW
    assert Window.of_estimate(NOW, Estimate(90, 85, 95, seen=3)).opens == NOW + 85


@given(
    now=st.floats(0, 5000),
    opens=st.floats(0, 4000),
    width=st.floats(0, 4000),
    sharing=st.integers(0, 20_000),
    interval=st.none() | st.floats(1, 86_400),
)
def test_the_next_look_is_later_than_now_and_at_most_an_interval_or_minutes_away(
    now, opens, width, sharing, interval
):
    window = Window(NOW + opens, NOW + opens + width)
    pause = find_next_look(NOW + now, window, sharing, interval) - (NOW + now)
    assert 0 < pause <= max(interval or 0.0, 200.0) + 1e-3


# -- on a clock that is not real -----------------------------------------------------------------------------------


def spread_times(count: int) -> list[float]:
    """So many render times, evenly between 85 and 95 seconds, in no order."""
    times = [85 + 10 * (number + 0.5) / count for number in range(count)]
    return random.Random(5).sample(times, count)


async def watch_videos(kling: VirtualKling, times: list[float], together: int, **options):
    """Watch so many videos at a time; return the reads per video, and how late each end was noticed."""
    before = len(kling.reads)
    notices: list[float] = []
    for start in range(0, len(times), together):
        notices += await asyncio.gather(
            *(
                watch_video(kling, seconds, after=number / 4, **options)
                for number, seconds in enumerate(times[start : start + together])
            )
        )
        await asyncio.sleep(20)
    return (len(kling.reads) - before) / len(times), notices


@pytest.mark.slow
@pytest.mark.parametrize(("together", "videos", "most"), [(1, 50, 4.0), (20, 80, 2.5)])
def test_once_learned_few_looks_notice_an_end_within_seconds(together, videos, most):
    async def watch():
        async with serving_virtually(0.15) as kling:
            await watch_videos(kling, spread_times(40), together)
            return await watch_videos(kling, spread_times(videos), together)

    reads, notices = run_virtually(watch)
    assert FLOOR + reads <= most
    assert statistics.mean(notices) <= 2
    assert sorted(notices)[int(len(notices) * 0.95)] <= 4


def test_a_video_of_which_nothing_is_known_is_looked_at_every_ten_seconds():
    async def watch():
        async with serving_virtually(0.15) as kling:
            return await watch_videos(kling, [90.0], 1, learned=False), [path for _, path in kling.reads]

    (_, notices), reads = run_virtually(watch)
    assert 8 <= len(reads) <= 10
    assert notices[0] <= 10.5


def test_the_users_interval_holds_when_the_end_is_known():
    async def watch():
        async with serving_virtually(0.15) as kling:
            await watch_videos(kling, spread_times(5), 1)
            return await watch_videos(kling, [90.0], 1, every=2.0)

    reads, notices = run_virtually(watch)
    assert reads <= 6
    assert notices[0] <= 2.5


def test_a_video_that_takes_far_longer_than_all_before_is_noticed_all_the_same():
    async def watch():
        async with serving_virtually(0.15) as kling:
            await watch_videos(kling, spread_times(5), 1)
            before = len(kling.reads)
            return await watch_video(kling, 1200), len(kling.reads) - before

    late, reads = run_virtually(watch)
    assert late <= 61
    assert reads < 45


def test_a_video_that_ends_far_earlier_than_all_before_is_noticed_when_ends_are_likely():
    async def watch():
        async with serving_virtually(0.15) as kling:
            await watch_videos(kling, spread_times(5), 1)
            return await watch_video(kling, 20)

    assert run_virtually(watch) <= 95 - 20


def test_a_list_shows_who_has_ended_as_well_so_that_hardly_any_id_is_read():
    async def watch():
        async with serving_virtually(0.15) as kling:
            await watch_videos(kling, spread_times(20), 20)
            before = len(kling.reads)
            await asyncio.gather(
                *(watch_video(kling, one, after=number / 40) for number, one in enumerate(spread_times(300)))
            )
            return kling.reads[before:]

    reads = run_virtually(watch)
    lists = [path for method, path in reads if method == "POST"]
    assert set(lists) == {"/tasks"}
    # Those who wait last are too few for a list.
    assert len(reads) - len(lists) <= 12
    assert len(reads) <= 0.1 * 300

# SPDX-License-Identifier: Apache-2.0
"""The queue below the concurrency limit, in a world where Kling has limits, workers take seconds to start and triggerers die."""

from __future__ import annotations

from dataclasses import replace
from statistics import mean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kling_provider.polling.lines import Entry
from kling_provider.polling.queue import GRANT_LIFE, SETTLE, ConcurrencyQueue, Grant, Running
from tests.unit.waiting_stand_ins import World


def burst(count: int, *, model: str = "m", dag: str = "d", start: float = 0.0, gap: float = 0.15):
    return [(start + number * gap, f"{dag}{model}{number:03}", model, dag) for number in range(count)]


def entry(name: str, *, queued_at: float = 0.0, model: str = "m", dag: str = "d", not_before: float = 0.0):
    return Entry(
        ticket=name,
        external_task_id=name,
        model=model,
        dag_id=dag,
        queued_at=queued_at,
        not_before=not_before,
    )


def names(granted: list[Grant]) -> list[str]:
    return [one.entry.ticket for one in granted]


@pytest.mark.parametrize("seed", range(5))
def test_a_stated_limit_costs_hardly_more_creates_than_the_first_burst(seed):
    world = World(seed, {"m": 5}, given=5).run(burst(40))
    assert world.posts / 40 <= 1.95  # 5 of 40 get through at once, 35 are refused and come again
    assert mean(world.taken_after) <= 4.0


@pytest.mark.parametrize("seed", range(5))
def test_a_learned_limit_costs_a_probe_now_and_then(seed):
    world = World(seed, {"m": 5}, given=None).run(burst(40))
    assert world.posts / 40 <= 2.3
    assert mean(world.taken_after) <= 4.0


def test_they_are_woken_in_the_order_in_which_they_queued():
    world = World(1, {"m": 5}, given=5).run(burst(40))
    assert [one.sort_key for one in world.granted] == sorted(one.sort_key for one in world.granted)


def test_dags_that_share_an_account_take_turns():
    world = World(2, {"m": 5}, given=5).run(burst(20, dag="a") + burst(20, dag="b", start=3.0))
    while_both_queue = [dag for _, _, dag in world.made][5:25]
    assert 0.3 <= while_both_queue.count("a") / 20 <= 0.7


@pytest.mark.parametrize("given_limit", [5, None])
def test_a_full_model_does_not_hold_up_another(given_limit):
    """Kling's list names no model, and the first ones of each never came through the queue."""
    world = World(3, {"slow": 5, "fast": 5}, given=given_limit, render={"slow": 900.0, "fast": 30.0})
    world.run(burst(10, model="slow") + burst(20, model="fast"))
    done = [at for at, name, _ in world.made if "fast" in name]
    assert len(done) == 20
    assert max(done) < 150, "four rounds of 30 s, not the slow ones' 900 s, nor a probe for each"


def test_a_limit_that_is_stated_too_high_only_costs_refusals():
    world = World(4, {"m": 5}, given=20).run(burst(40))
    assert world.posts / 40 <= 3.0
    assert mean(world.taken_after) <= 5.0


def test_a_probe_finds_out_that_the_account_allows_more_by_now():
    def bigger_pack(world: World, granted: list[Grant]) -> None:
        world.limits["m"] = 2 if world.now < 60 else 6

    world = World(4, {"m": 2}, given=None)
    world.check = bigger_pack
    world.run(burst(40))
    assert world.now < 350, "with a limit of two it takes 640 s"


@pytest.mark.parametrize("external_ids", [True, False])
def test_a_host_without_lists_is_served_by_what_this_process_waits_for(external_ids):
    world = World(5, {"m": 5}, given=5, lists=False, external_ids=external_ids).run(burst(20))
    assert len(world.made) == 20
    assert world.posts / 20 <= 2.5


def test_models_without_external_ids_are_recognised_by_being_new():
    world = World(6, {"m": 5}, given=5, external_ids=False).run(burst(40))
    assert world.posts / 40 <= 1.95


@given(
    seed=st.integers(0, 10_000),
    limit=st.integers(1, 8),
    count=st.integers(1, 30),
    slowest=st.floats(0.5, 20.0),
    render=st.floats(5.0, 120.0),
)
@settings(max_examples=60, deadline=None)
def test_never_more_turns_than_room(seed, limit, count, slowest, render):
    """With a stated limit: in flight and woken together never exceed it, but for one probe while tasks are in
    flight that nobody can tell a model of."""

    def check(world: World, granted: list[Grant]) -> None:
        busy = len(world.in_flight) + len(world.woken)
        assert busy <= limit + 1
        sure = [one for one in granted if not one.is_early]
        if len(sure) > 1:
            assert busy <= limit
        # Early workers wait for places that tasks in flight will leave: there are never more of both than places.
        assert len(world.woken) + len(world.early) <= limit + 1
        assert all(one.needed <= sum(one.watch.values()) for one in granted)

    world = World(seed, {"m": limit}, given=limit, render=render, wake=(0.1, slowest))
    world.check = check
    world.run(burst(count))
    assert not world.unfinished()


@given(
    seed=st.integers(0, 10_000),
    limits=st.dictionaries(st.sampled_from(["m", "n", "o"]), st.integers(1, 6), min_size=1),
    stated=st.none() | st.integers(1, 10),
    slowest=st.floats(0.5, 90.0),
    stolen=st.sampled_from([0.0, 0.2]),
    restart_at=st.none() | st.floats(5.0, 200.0),
    lists=st.booleans(),
    external_ids=st.booleans(),
)
@settings(max_examples=80, deadline=None)
def test_every_task_is_sent_in_the_end(
    seed, limits, stated, slowest, stolen, restart_at, lists, external_ids
):
    """Whatever is known or true about limits, whoever dies: all are sent in the end."""
    jobs = [job for model in limits for dag in "ab" for job in burst(6, model=model, dag=dag)]
    world = World(
        seed,
        limits,
        given=stated,
        wake=(0.1, slowest),
        stolen=stolen,
        lists=lists,
        external_ids=external_ids,
    )
    world.run(jobs, restart_at=restart_at)
    assert not world.unfinished()


@given(seed=st.integers(0, 10_000), restart_at=st.floats(5.0, 150.0))
@settings(max_examples=30, deadline=None)
def test_a_restart_keeps_the_order(seed, restart_at):
    world = World(seed, {"m": 3}, given=3).run(burst(20), restart_at=restart_at)
    places = [one.sort_key for one in world.granted]
    # Woken in the last seconds before the triggerer died, and refused: back at their places.
    again = {place for place in places if places.count(place) > 1}
    first = [place for place in dict.fromkeys(places) if place not in again]
    assert first == sorted(first)


def test_who_is_refused_goes_back_to_the_old_place_and_lets_others_pass_meanwhile():
    queue = ConcurrencyQueue()
    for name in "abc":
        queue.add_entry(entry(name, queued_at=ord(name)), now=0.0)
    assert names(queue.grant_capacity(10.0, [], limit=1)) == ["a"]
    queue.add_entry(entry("a", queued_at=ord("a"), not_before=21.0), now=11.0)
    assert names(queue.grant_capacity(12.0, [], limit=1)) == ["b"]
    assert names(queue.grant_capacity(22.0, [Running("1", "b")], limit=2)) == ["a"]


def test_nothing_is_granted_before_the_first_look_and_while_the_queue_settles():
    queue = ConcurrencyQueue()
    queue.add_entry(entry("late", queued_at=5.0, not_before=10.0), now=0.0)
    queue.add_entry(entry("early", queued_at=1.0), now=1.0)
    assert queue.grant_capacity(SETTLE - 0.1, [], limit=1) == []
    assert names(queue.grant_capacity(SETTLE, [], limit=5)) == ["early"]
    assert queue.grant_capacity(9.9, [Running("1", "early")], limit=5) == []
    assert names(queue.grant_capacity(10.0, [Running("1", "early")], limit=5)) == ["late"]


def test_a_grant_that_is_not_used_goes_to_the_next_task():
    queue = ConcurrencyQueue()
    for name in "ab":
        queue.add_entry(entry(name, queued_at=ord(name)), now=0.0)
    assert names(queue.grant_capacity(10.0, [], limit=1)) == ["a"]
    assert queue.grant_capacity(10.0 + GRANT_LIFE - 1, [], limit=1) == []
    assert names(queue.grant_capacity(10.0 + GRANT_LIFE, [], limit=1)) == ["b"]


def test_a_task_that_came_and_went_between_two_lists_ends_its_grant():
    queue = ConcurrencyQueue()
    for name in "ab":
        queue.add_entry(entry(name, queued_at=ord(name)), now=0.0)
    queue.grant_capacity(10.0, [], limit=1)
    assert queue.list_unseen(15.0, age=6.0) == []
    assert queue.list_unseen(16.0, age=6.0) == ["a"]
    assert names(queue.grant_capacity(16.0, [], limit=1, exist={"a"})) == ["b"]


def test_who_leaves_the_queue_is_not_called():
    queue = ConcurrencyQueue()
    here, gone = entry("here", queued_at=2.0), entry("gone", queued_at=1.0)
    queue.add_entry(gone, now=0.0)
    queue.add_entry(here, now=0.0)
    queue.remove_entry(gone)
    assert names(queue.grant_capacity(10.0, [], limit=5)) == ["here"]
    queue.remove_entry(here)


def test_a_trigger_that_is_replaced_does_not_take_its_successor_along():
    queue = ConcurrencyQueue()
    old, new = entry("same"), entry("same")
    queue.add_entry(old, now=0.0)
    queue.add_entry(new, now=0.0)
    queue.remove_entry(old)
    assert [one.entry for one in queue.grant_capacity(10.0, [], limit=5)] == [new]


def image_entry(name: str, *, takes: int, queued_at: float = 0.0, dag: str = "d") -> Entry:
    return Entry(
        ticket=name,
        external_task_id=name,
        model="m",
        dag_id=dag,
        queued_at=queued_at,
        not_before=0.0,
        type="text_to_video",
        takes=takes,
    )


def test_a_request_for_several_images_takes_as_many_places():
    queue = ConcurrencyQueue()
    for number, takes in enumerate((3, 1, 2)):
        queue.add_entry(image_entry(f"i{number}", takes=takes, queued_at=float(number)), 0.0)
    assert names(queue.grant_capacity(SETTLE, [], limit=5)) == ["i0", "i1"], "3 + 1, and 2 more would be 6"
    assert queue.grant_capacity(SETTLE + 1, [], limit=5) == []
    assert names(queue.grant_capacity(SETTLE + 2, [], limit=6, exist=["i0", "i1"])) == ["i2"]


def test_what_such_a_request_takes_counts_while_it_renders():
    queue = ConcurrencyQueue()
    queue.add_entry(image_entry("nine", takes=9), 0.0)
    assert names(queue.grant_capacity(SETTLE, [], limit=10)) == ["nine"]
    running = [Running("1", "nine")]
    queue.add_entry(image_entry("two", takes=2, queued_at=1.0), SETTLE)
    assert queue.grant_capacity(SETTLE * 2, running, limit=10) == []
    assert names(queue.grant_capacity(SETTLE * 2 + 1, running, limit=11)) == ["two"]


def test_a_request_that_takes_more_than_the_whole_limit_holds_up_nobody_for_ever():
    """The host decides; alone it is tried as soon as nothing else is in flight."""
    queue = ConcurrencyQueue()
    queue.add_entry(image_entry("nine", takes=9), 0.0)
    queue.add_entry(image_entry("one", takes=1, queued_at=1.0, dag="e"), 0.0)
    running = [Running("1", model="m")]
    assert queue.grant_capacity(SETTLE, running, limit=5) == []
    assert names(queue.grant_capacity(SETTLE + 1, [], limit=5)) == ["nine"]
    assert names(queue.grant_capacity(SETTLE + 2, [], limit=5, exist=["nine"])) == ["one"]


def test_a_large_request_is_not_passed_by_small_ones():
    queue = ConcurrencyQueue()
    running = [Running(str(number), model="m") for number in range(3)]
    queue.add_entry(image_entry("large", takes=4), 0.0)
    queue.add_entry(image_entry("small", takes=1, queued_at=1.0), 0.0)
    assert queue.grant_capacity(SETTLE, running, limit=5) == []
    assert names(queue.grant_capacity(SETTLE + 1, running[:1], limit=5)) == ["large"]


# -- before a place is free -----------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [5, 20])
@pytest.mark.parametrize(("wake", "most"), [((1.5, 3.5), 1.5), ((18.0, 22.0), 4.0)])
@pytest.mark.parametrize("seed", range(3))
def test_workers_arrive_as_places_become_free(seed, limit, wake, most):
    """Renders of 90 s, give or take 5; the first round is cold, where nothing is known."""
    world = World(seed, {"m": limit}, given=limit, render=90.0, spread=5 / 90, wake=wake)
    world.run(burst(8 * limit))
    assert mean(world.taken_after) <= most
    assert mean(world.taken_after[limit:]) <= 1.5
    assert world.posts / (8 * limit) <= 2.0
    assert mean(world.waited) <= 6.0
    assert not world.gave_back


@pytest.mark.parametrize("limit", [5, 20])
def test_where_times_are_spread_few_come_in_vain(limit):
    world = World(1, {"m": limit}, given=limit, render=174.0, spread=0.84).run(burst(8 * limit))
    assert world.posts / (8 * limit) <= 2.2
    assert mean(world.taken_after) <= 4.2
    assert world.gave_back <= 2 * limit


@given(
    seed=st.integers(0, 10_000),
    limit=st.integers(1, 8),
    spread=st.floats(0.0, 0.9),
    slowest=st.floats(1.0, 40.0),
)
@settings(max_examples=40, deadline=None)
def test_early_workers_are_hardly_ever_refused(seed, limit, spread, slowest):
    """Whatever renders and workers do: a video costs its first create, and hardly more than one beside it."""
    world = World(seed, {"m": limit}, given=limit, render=60.0, spread=spread, wake=(0.5, slowest))
    world.run(burst(6 * limit + 6))
    assert not world.unfinished()
    assert world.posts / (6 * limit + 6) <= 2.6


def render_regularly(queue: ConcurrencyQueue, *, until: float) -> float:
    """Let the queue see one task of 60 s after the other, and return when the last one that it saw began."""
    began = now = 0.0
    while began < until:
        while now < began + 60.0:
            queue.grant_capacity(now, [Running(f"t{began}", model="m", made_at=began)], limit=1)
            now += 2.0
        began = now
    return began


def queue_that_knows() -> tuple[ConcurrencyQueue, float]:
    """A queue that has learned that renders take a minute, and when the task in flight, ``busy``, began."""
    queue = ConcurrencyQueue()
    began = render_regularly(queue, until=300.0)
    queue.grant_capacity(began, [busy(began)], limit=1)
    return queue, began


def busy(began: float) -> Running:
    return Running("busy", model="m", made_at=began)


def test_the_next_one_is_woken_before_the_place_is_free():
    queue, began = queue_that_knows()
    for name in "ab":
        queue.add_entry(entry(name, queued_at=ord(name)), now=began + 2.0)
    assert queue.grant_capacity(began + 46.0, [busy(began)], limit=1) == []
    (granted,) = queue.grant_capacity(began + 56.0, [busy(began)], limit=1)
    assert (granted.entry.ticket, granted.watch, granted.needed) == ("a", {"busy": 1}, 1)
    assert queue.grant_capacity(began + 58.0, [busy(began)], limit=1) == [], "there is one place only"


def test_an_early_worker_that_is_killed_holds_the_place_for_a_minute_at_most():
    queue, began = queue_that_knows()
    for name in "ab":
        queue.add_entry(entry(name, queued_at=ord(name)), now=began + 2.0)
    assert names(queue.grant_capacity(began + 56.0, [busy(began)], limit=1)) == ["a"]
    queue.grant_capacity(began + 60.0, [], limit=1)
    assert names(queue.grant_capacity(began + 56.0 + GRANT_LIFE, [], limit=1)) == ["b"]


def test_a_place_that_never_becomes_free_costs_no_create_and_few_workers():
    """Its worker gives the place back; nobody comes early again for a while, and whoever waits is woken when it is free."""
    queue, began = queue_that_knows()
    queue.add_entry(entry("a", queued_at=1.0), now=began + 2.0)
    woken, now = 0, began + 50.0
    while now < began + 900.0:
        for one in queue.grant_capacity(now, [busy(began)], limit=1):
            assert one.is_early
            woken += 1
            back = replace(one.entry, full=False, not_before=now + 27.0, worker_start=2.0)
            queue.add_entry(back, now=now + 17.0)
        now += 2.0
    assert 1 <= woken <= 6
    assert names(queue.grant_capacity(now + 30.0, [], limit=1)) == ["a"]


def test_a_refusal_of_an_early_worker_says_nothing_about_the_limit():
    """Somebody else was faster, three times. After refusals in spite of a free place it would be one at a time."""
    queue, began = queue_that_knows()
    queue.add_entry(entry("b", queued_at=2.0, not_before=began + 300.0), now=began + 2.0)
    for number in range(3):
        queue.add_entry(entry("a", queued_at=1.0), now=began + 2.0)
        full = [Running(f"{name}{number}", model="m", made_at=began) for name in "xy"]
        queue.grant_capacity(began + 3.0, full, limit=2)
        granted = queue.grant_capacity(began + 57.0, full, limit=2)
        assert [one.is_early for one in granted] == [True]
        began += 62.0
    queue.add_entry(entry("a", queued_at=1.0), now=began)
    assert names(queue.grant_capacity(began + 120.0, [], limit=2)) == ["a", "b"]


def test_after_a_refusal_in_spite_of_a_free_place_early_workers_come_one_by_one():
    queue, began = queue_that_knows()
    both = [Running("x", model="m", made_at=began), Running("y", model="m", made_at=began + 4.0)]
    for name in "abc":
        queue.add_entry(entry(name, queued_at=ord(name)), now=began + 2.0)
    assert names(queue.grant_capacity(began + 6.0, both[:1], limit=2)) == ["a"]
    queue.add_entry(entry("a", queued_at=ord("a"), not_before=began + 200.0), now=began + 7.0)
    (first,) = queue.grant_capacity(began + 57.0, both, limit=2)
    assert (first.entry.ticket, first.is_early) == ("b", True)
    assert queue.grant_capacity(began + 59.0, both, limit=2) == []
    (second,) = queue.grant_capacity(
        began + 61.0, [both[1], Running("b", "b", "m", made_at=began + 60)], limit=2
    )
    assert (second.entry.ticket, second.is_early) == ("c", True)


def test_nobody_comes_early_where_the_host_has_no_list():
    queue, began = queue_that_knows()
    queue.add_entry(entry("a", queued_at=1.0), now=began + 2.0)
    for now in range(50, 70, 2):
        assert queue.grant_capacity(began + now, [busy(began)], limit=1, complete=False) == []


def test_higher_weights_are_granted_first_and_an_hour_in_the_queue_counts_as_highest():
    queue = ConcurrencyQueue()
    for name, weight, queued_at in (("low", 1, 0.0), ("high", 9, 50.0), ("old", 1, -3590.0)):
        queue.add_entry(replace(entry(name, queued_at=queued_at), priority_weight=weight), now=0.0)
    assert names(queue.grant_capacity(SETTLE, [], limit=1)) == ["high"]
    assert names(queue.grant_capacity(12.0, [], limit=1, exist={"high"})) == ["old"]
    assert names(queue.grant_capacity(14.0, [], limit=1, exist={"old"})) == ["low"]

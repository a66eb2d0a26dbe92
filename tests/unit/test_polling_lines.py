# SPDX-License-Identifier: Apache-2.0
"""The order of the queue: weights, turns of the Dags, long waits, whoever leaves or comes back."""

from __future__ import annotations

from collections import defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kling_provider.polling.lines import LONG_WAIT, Entry, WaitingLines


def entry(name: str, *, dag: str = "d", at: float = 0.0, weight: int = 1, not_before: float = 0.0) -> Entry:
    return Entry(
        ticket=name,
        external_task_id=name,
        model="m",
        dag_id=dag,
        queued_at=at,
        not_before=not_before,
        priority_weight=weight,
    )


def stand(*entries: Entry, now: float = 1.0) -> WaitingLines:
    lines = WaitingLines()
    for one in entries:
        lines.add_entry(one, now)
    lines.advance(now)
    return lines


def take_all(lines: WaitingLines) -> list[str]:
    taken = []
    while lines.find_next() is not None:
        taken.append(lines.take_turn()[0].ticket)
    return taken


def test_higher_weights_are_first_and_within_a_dag_the_longest_queued():
    lines = stand(
        entry("late", at=2), entry("high", at=9, weight=5), entry("early", at=1), entry("low", weight=-3)
    )
    assert take_all(lines) == ["high", "early", "late", "low"]


def test_who_has_waited_an_hour_counts_as_highest():
    lines = stand(entry("high", at=3000, weight=10**6), entry("old", at=10), entry("older", at=5, weight=-9))
    assert lines.find_next().ticket == "high"
    lines.advance(5 + LONG_WAIT)
    assert lines.find_next().ticket == "older"
    lines.advance(10 + LONG_WAIT)
    assert take_all(lines) == ["older", "old", "high"]


def test_who_backs_off_lets_others_pass_and_keeps_the_place():
    lines = stand(entry("first", at=1, not_before=20), entry("second", at=2), entry("third", at=3))
    assert lines.take_turn()[0].ticket == "second"
    lines.advance(20)
    assert take_all(lines) == ["first", "third"]


def test_who_backs_off_for_long_comes_back_as_the_highest():
    lines = stand(
        entry("high", at=4000, weight=9), entry("back", at=0, not_before=2 * LONG_WAIT), now=LONG_WAIT + 5
    )
    assert lines.find_next().ticket == "high"
    lines.advance(2 * LONG_WAIT)
    assert take_all(lines) == ["back", "high"]


def test_a_turn_that_came_to_nothing_is_given_back():
    lines = stand(entry("a1", dag="a"), entry("a2", dag="a", at=5), entry("b1", dag="b", at=9))
    _, turn = lines.take_turn()
    lines.give_back(turn)
    assert take_all(lines) == ["a2", "b1"], "the Dag is as far as before, though it queued later"


def test_turns_are_remembered_while_nobody_stands_in_line():
    lines = stand(entry("a1", dag="a"))
    lines.take_turn()
    assert lines.find_next() is None
    for one in (entry("a2", dag="a", at=1), entry("b1", dag="b", at=2)):
        lines.add_entry(one, 3.0)
    assert take_all(lines) == ["b1", "a2"]


def test_nobody_is_taken_where_nobody_stands():
    with pytest.raises(LookupError):
        WaitingLines().take_turn()


ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(["add", "add", "take", "take", "remove"]),
        st.sampled_from("abcd"),
        st.sampled_from([1, 1, 1, 2]),
    ),
    max_size=120,
)


@given(ACTIONS)
@settings(max_examples=150, deadline=None)
def test_nobody_is_passed_by_more_than_one_round_of_another_dag(actions):
    """While a Dag waits at a weight, every other Dag has at most one turn there between two of its own, and all are served."""
    lines = WaitingLines()
    waiting: dict[tuple[int, str], list[Entry]] = defaultdict(list)
    passed: dict[tuple[int, str], dict[str, int]] = {}
    for number, (action, dag, weight) in enumerate(actions):
        place = waiting[weight, dag]
        if action == "add":
            new = entry(f"{number:03}", dag=dag, at=float(number), weight=weight)
            if not place:
                passed[weight, dag] = defaultdict(int)
            place.append(new)
            lines.add_entry(new, float(number))
        elif action == "remove" and place:
            lines.remove_entry(place.pop(len(place) // 2))
        elif action == "take" and lines.find_next() is not None:
            taken, _ = lines.take_turn()
            assert taken.priority_weight == max(weight for (weight, _), those in waiting.items() if those)
            own = waiting[taken.priority_weight, taken.dag_id]
            assert own.pop(0) is taken, "the longest queued of its Dag"
            for (at, other), turns in passed.items():
                if at == taken.priority_weight and other != taken.dag_id and waiting[at, other]:
                    turns[taken.dag_id] += 1
                    assert turns[taken.dag_id] <= 1
            passed[taken.priority_weight, taken.dag_id] = defaultdict(int)
    assert len(take_all(lines)) == sum(map(len, waiting.values()))


def test_thousands_that_leave_are_forgotten_and_change_no_order():
    entries = [entry(f"{number:05}", dag=f"d{number % 7}", at=float(number)) for number in range(6000)]
    lines = stand(*entries, now=7000.0)
    for number, one in enumerate(entries):
        if number % 3:
            lines.remove_entry(one)
    assert len(lines) == 2000
    taken = take_all(lines)
    assert sorted(taken) == [one.ticket for one in entries[::3]]
    for dag in range(7):
        own = [name for name in taken if int(name) % 7 == dag]
        assert own == sorted(own)

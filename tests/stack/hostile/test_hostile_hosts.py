# SPDX-License-Identifier: Apache-2.0
"""One host answers as nobody should; in the same triggerer others wait, at other hosts and for other things."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.stack.hostile.conftest import ENDLESS, Hostile, Played

pytestmark = pytest.mark.airflow_version


def is_clean(text: str) -> bool:
    """What UTF-8, a terminal and PostgreSQL hold, on one line."""
    return text.isprintable() and not any("\ud800" <= letter <= "\udfff" for letter in text)


def test_the_innocent_ones_end_in_time(played: Played) -> None:
    assert (played.videos, played.time) == ("success", "success")
    assert {task_id: played.meanwhile[task_id] for task_id in ENDLESS} == dict.fromkeys(ENDLESS, "deferred")


def test_the_triggerer_goes_on(played: Played, hostile: Hostile) -> None:
    assert len(played.before) > 1
    assert played.after == played.before
    hostile.stack.check()


def test_until_tomorrow_is_one_look_later(played: Played, hostile: Hostile) -> None:
    assert [rule["acted"] for rule in hostile.tomorrow.app.faults.to_json()] == [1]
    assert played.at_last["tomorrow"] == "success"


def test_a_word_that_nobody_knows_is_waited_for_and_told(played: Played, hostile: Hostile) -> None:
    assert played.at_last["word"] == "failed"
    [run] = hostile.stack.api.runs("hostile")
    log = hostile.stack.api.log("hostile", run["dag_run_id"], "word")
    assert "strange half a " in log
    assert all(is_clean(line) for line in log.splitlines())


def test_a_refusal_is_sent_once_and_keeps_its_reason(hostile: Hostile) -> None:
    run_id = hostile.trigger("refusals")
    assert hostile.end("refusals", run_id) == "failed"
    tries = {
        one["task_id"]: one["try_number"] for one in hostile.stack.api.task_instances("refusals", run_id)
    }
    assert tries == {"refused": 1, "failed": 1}
    for task_id, words in (("refused", "half a "), ("failed", "it failed: half a ")):
        log = hostile.stack.api.log("refusals", run_id, task_id)
        assert words in log
        assert "and an end" in log
        assert all(is_clean(line) for line in log.splitlines())


# -- what users met ---------------------------------------------------------------------------------------------


@dataclass
class Reported:
    word: str
    innocent: str
    before: dict[int, float]
    after: dict[int, float]


@pytest.fixture(scope="session")
def reported(hostile: Hostile, cases: Path) -> Reported:
    before = hostile.triggerer()
    word, innocent = hostile.trigger("word"), hostile.trigger("innocent")
    ended = hostile.end("word", word), hostile.end("innocent", innocent)
    return Reported(*ended, before, hostile.triggerer())


def test_half_a_pair_ends_no_triggerer(reported: Reported) -> None:
    assert reported.innocent == "success"
    assert reported.word == "failed"  # its time is over
    assert reported.after == reported.before


def test_half_a_pair_in_a_reason(reported: Reported, hostile: Hostile) -> None:
    run_id = hostile.trigger("reasons")
    assert hostile.end("reasons", run_id) == "failed"
    states = {one["task_id"]: one for one in hostile.stack.api.task_instances("reasons", run_id)}
    assert states["refuse"]["try_number"] == 1
    for task_id in ("failmsg", "refuse"):
        log = hostile.stack.api.log("reasons", run_id, task_id, try_number=states[task_id]["try_number"])
        assert "half " in log
        assert "pair" in log
        assert all(is_clean(line) for line in log.splitlines())

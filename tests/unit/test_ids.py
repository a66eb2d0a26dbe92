# SPDX-License-Identifier: Apache-2.0
"""What an id says by itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from kling_provider.api.ids import explain_unknown, read_create_time

NOW = datetime(2026, 4, 1, 12, tzinfo=UTC)
#: Recorded ids and create times (ms), of Kling itself and of gateways that pass its ids on.
RECORDED = {
    "867283741759111202": 1774805075935,
    "933557073781063683": 1790605869000,
    "878106242831892487": 1777385361000,
    "901930004609634393": 1783065388000,
    "831922345719271433": 1766374262000,
}


@pytest.mark.parametrize(("kling_task_id", "created"), RECORDED.items())
def test_it_is_the_create_time_to_the_second(kling_task_id: str, created: int) -> None:
    made = read_create_time(kling_task_id)
    assert made is not None
    assert abs(made - datetime.fromtimestamp(created / 1000, UTC)) < timedelta(seconds=2)


@pytest.mark.parametrize(
    "kling_task_id",
    ["", "123", "task_8a1b", "86728374175911120", "8672837417591112021", "٨" * 18, "CmYxR2gAAAA"],
)
def test_other_ids_say_nothing(kling_task_id: str) -> None:
    assert read_create_time(kling_task_id) is None
    text = explain_unknown(kling_task_id, NOW)
    assert text.startswith("belongs to another account or region")
    assert text.endswith("or it is older than 30 days")


@pytest.mark.parametrize("kling_task_id", ["0" * 18, "100000000000000000", "999999999999999999"])
def test_a_time_that_cannot_be_is_none(kling_task_id: str) -> None:
    """Before Kling had such ids, or after the present: a number of somebody else."""
    assert explain_unknown(kling_task_id, NOW) == explain_unknown("123", NOW)


@pytest.mark.parametrize(
    ("later", "words"),
    [
        (timedelta(seconds=-30), "less than a minute ago"),
        (timedelta(seconds=61), "about a minute ago"),
        (timedelta(minutes=119), "119 minutes ago"),
        (timedelta(hours=2), "2 hours ago"),
        (timedelta(hours=47), "47 hours ago"),
        (timedelta(days=2), "2 days ago"),
        (timedelta(days=29, hours=23), "29 days ago"),
    ],
)
def test_a_young_one_is_another_accounts(later: timedelta, words: str) -> None:
    made = read_create_time("867283741759111202")
    assert made is not None
    text = explain_unknown("867283741759111202", made + later)
    assert text.startswith(
        f"was made on 29 March 2026 by its id, {words}, so it is not too old: it belongs to another account"
    )
    assert "a sandbox that was started anew (with --state-dir it keeps its tasks)" in text
    assert "30 days" not in text


def test_an_old_one_is_forgotten() -> None:
    made = read_create_time("867283741759111202")
    assert made is not None
    text = explain_unknown("867283741759111202", made + timedelta(days=31))
    assert text == "was made on 29 March 2026 by its id, 31 days ago, and Kling forgets a task after 30 days"

# SPDX-License-Identifier: Apache-2.0
"""XComs in an object store, by Airflow's own backend: its database has their addresses, and the gallery its cards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from kling_provider.compat import has_gallery
from tests.stack.hostile.conftest import Hostile, Played

pytestmark = pytest.mark.skipif(not has_gallery(), reason="Airflow 3.3 is the first that shows the gallery")

Cards = dict[tuple[str, str], dict[str, Any]]


@dataclass
class Shown:
    """The gallery's cards of a run while it waits, and at the end; and what the run's end was."""

    waiting: Cards
    rendered: str
    done: Cards


@pytest.fixture(scope="session")
def shown(hostile: Hostile) -> Shown:
    api = hostile.stack.api
    run_id = hostile.trigger("innocent_videos")
    for task_id in ("wait", "video"):
        api.wait_task("innocent_videos", run_id, task_id, ("deferred", "success"), timeout=120)
    where = {"dag_id": "innocent_videos", "run_id": run_id}
    waiting = hostile.cards(**where)
    return Shown(waiting, hostile.end("innocent_videos", run_id), hostile.cards(**where))


def test_the_database_has_addresses_alone(shown: Shown, hostile: Hostile) -> None:
    rows = hostile.stack.database.rows("SELECT value FROM xcom WHERE key IN ('kling', 'return_value')")
    assert len(rows) > 3
    assert all(str(row["value"]).strip('"').startswith("file://") for row in rows), rows


def test_what_is_waited_for_has_a_card(shown: Shown) -> None:
    states = {task_id: card["state"] for (_, task_id), card in shown.waiting.items()}
    assert set(states.values()) <= {"rendering", "fetching", "done"}
    assert "video" in states
    assert {card["prompt"] for card in shown.waiting.values()} == {"A kite, not saved", "A lighthouse"}


def test_what_is_finished_is_done_and_has_its_facts(shown: Shown) -> None:
    assert shown.rendered == "success"
    cards = shown.done
    assert {card["state"] for card in cards.values()} == {"done"}
    assert {card["name"] for card in cards.values()} == {"kite", "lighthouse"}
    assert all(card["billing"] and card["kling_task_id"] and not card["notes"] for card in cards.values())


def test_a_saved_video_plays(shown: Shown, hostile: Hostile) -> None:
    [output] = shown.done["innocent_videos", "video"]["outputs"]
    assert output["place"] == "here"
    answer = hostile.get(f"/kling/{output['src']}")
    assert answer.headers["Content-Type"] == "video/mp4"
    assert answer.content[4:8] == b"ftyp"


def test_one_that_is_at_kling_plays_by_the_link_in_the_store(shown: Shown, hostile: Hostile) -> None:
    [output] = shown.done["innocent_videos", "wait"]["outputs"]
    assert output["place"] == "kling"
    answer = hostile.get(f"/kling/{output['src']}", allow_redirects=False)
    assert answer.status_code == 307
    assert answer.headers["Location"].startswith(hostile.sandbox.url)
    video = hostile.get(f"/kling/{output['src']}")
    assert video.content[4:8] == b"ftyp"


def test_one_that_failed_says_why(played: Played, hostile: Hostile) -> None:
    card = hostile.cards(dag_id="hostile")["hostile", "word"]
    assert card["state"] == "failed"
    assert "strange half a " in card["reason"]
    assert card["prompt"] == "A word"
    assert hostile.cards(dag_id="hostile")["hostile", "flood"]["state"] == "rendering"
    assert hostile.cards(dag_id="hostile")["hostile", "list"]["state"] == "waiting_for_concurrency"

# SPDX-License-Identifier: Apache-2.0
"""What a card says: why there is no video and what to do, what was asked for, whose it is, and the sum of all."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from kling_provider.plugins.gallery.reason import find_todo
from tests.unit.gallery.conftest import RUN, As
from tests.unit.gallery.seeds import Seeds

ANN = "ann_clips"


def cards(as_user: As, user: str = "ann", **query: Any) -> dict[str, dict[str, Any]]:
    answer = as_user(user).get("/kling/api/videos", params=query)
    assert answer.status_code == 200, answer.text
    return {card["key"]: card for card in answer.json()["cards"]}


@pytest.mark.parametrize(
    ("says", "task_state", "next_method", "shown"),
    [
        ("processing", "deferred", "execute_complete", "rendering"),
        ("submitted", "running", None, "rendering"),  # it has not deferred yet
        ("processing", "running", None, "rendering"),  # it waits in its worker
        ("processing", "scheduled", "execute_complete", "fetching"),
        ("processing", "queued", "execute_complete", "fetching"),
        ("processing", "running", "execute_complete", "fetching"),
        ("succeeded", "running", "execute_complete", "fetching"),
        ("submitted", "running", "execute_after_queue", "rendering"),  # it has just been sent
        ("waiting_for_concurrency", "running", "execute_after_queue", "waiting_for_concurrency"),
        ("processing", "running", "__fail__", "rendering"),
    ],
)
def test_between_rendering_and_done_it_is_being_fetched(
    seeds: Seeds, as_user: As, says: str, task_state: str, next_method: str | None, shown: str
) -> None:
    seeds.run(ANN, "run", "running")
    seeds.job(ANN, "run", says=says, state=task_state, kling_task_id="k1", next_method=next_method)
    seeds.session.commit()
    assert cards(as_user)["k1"]["state"] == shown


def test_the_reason_is_whole_and_what_to_do_is_said_first(seeds: Seeds, as_user: As) -> None:
    reason = (
        "Could not create video 'red-panda' at api-singapore.klingai.com: Account balance not enough (code 1102). No "
        "units left of this kind: top up or buy a pack in Kling's console. Nothing was made, nothing is billed."
    )
    seeds.job(ANN, RUN, says="failed", state="failed", reason=reason)
    seeds.session.commit()
    [card] = cards(as_user).values()
    assert card["reason"] == reason
    assert card["todo"] == "No units left of this kind: top up or buy a pack in Kling's console."


def test_every_error_of_the_catalogue_says_what_to_do(repository: Path) -> None:
    texts = [
        line[2:] for line in (repository / "docs/errors.md").read_text().splitlines() if line[:2] == "> "
    ]
    assert len(texts) > 20
    for text in texts:
        todo = find_todo(text, exists=False)
        assert todo
        assert len(todo) <= len(text) + len("Correct the request: ")


@pytest.mark.parametrize(
    ("reason", "exists", "todo"),
    [
        ("Kling failed task 1: Image pixel is invalid. Change the picture.", True, "Change the picture."),
        ("The request is wrong, nothing was sent: promt 'x': must be a known key.", False, "Correct the request: promt 'x': must be a known key."),
        ("It broke. The retry adopts it.", True, "The retry adopts it."),
        ("It broke in v3.0 of it.", True, "Clear the task: it adopts what exists at Kling and pays nothing."),
        (None, False, "Read the task's log, fix what it names, and clear the task."),
    ],
)  # fmt: skip
def test_what_to_do_first(reason: str | None, exists: bool, todo: str) -> None:
    assert find_todo(reason, exists=exists) == todo


@pytest.mark.parametrize(
    ("says", "kling_task_id", "task_state", "state", "words"),
    [
        (
            "processing",
            "k1",
            "failed",
            "failed",
            "Nothing waits for Kling task k1 any more. It goes on at Kling",
        ),
        (
            "submitted",
            "k1",
            "skipped",
            "uncollected",
            "Nothing waits for Kling task k1 any more. It goes on at Kling",
        ),
        ("waiting_for_concurrency", None, "failed", "failed", "Nothing was made, nothing is billed."),
    ],
)
def test_what_a_cancelled_run_left_behind(
    seeds: Seeds, as_user: As, says: str, kling_task_id: str | None, task_state: str, state: str, words: str
) -> None:
    seeds.run(ANN, "cancelled", "failed")
    seeds.job(ANN, "cancelled", says=says, state=task_state, kling_task_id=kling_task_id)
    seeds.session.commit()
    [card] = cards(as_user).values()
    assert card["state"] == state
    assert words in card["reason"]


def test_a_cancelled_wait_in_the_queue_that_nobody_ran_leaves_no_card(seeds: Seeds, as_user: As) -> None:
    seeds.run(ANN, "cancelled", "failed")
    seeds.job(ANN, "cancelled", says="waiting_for_concurrency", state="skipped")
    seeds.session.commit()
    assert cards(as_user) == {}


def test_defaults_are_said_as_well(seeds: Seeds, as_user: As) -> None:
    bare = {"prompt": "A tram", "model": None, "duration": None}
    seeds.job(ANN, RUN, map_index=0, kling_task_id="bare", request=bare)
    seeds.job(ANN, RUN, map_index=1, kling_task_id="legacy", request={**bare, "mode": "pro", "sound": "on"})
    seeds.job(ANN, RUN, map_index=2, kling_task_id="turbo", request={"model": "kling-3.0-turbo"})
    # The event of a Generate does not say everything that its instance does.
    seeds.job(
        ANN,
        RUN,
        map_index=3,
        says="succeeded",
        state="success",
        kling_task_id="done",
        request={"audio": "native"},
    )
    seeds.video(ANN, RUN, map_index=3, kling_task_id="done", resolution="720p", aspect_ratio="16:9")
    seeds.video(ANN, RUN, "wait", kling_task_id="unknown", model=None, duration=None)
    seeds.session.commit()
    facts = ("model", "seconds", "resolution", "aspect_ratio", "sound")
    found = {key: [card[fact] for fact in facts] for key, card in cards(as_user).items()}
    assert found == {
        "bare": ["kling-3.0", 5, "720p", "16:9", "off"],
        "legacy": ["kling-3.0", 5, "1080p", "16:9", "native"],
        "turbo": ["kling-3.0-turbo", 5, "720p", "16:9", "native"],
        "done": ["kling-3.0", 5.041, "720p", "16:9", "native"],
        "unknown": [None, None, None, None, None],
    }


def test_cards_are_labelled_with_the_map_index_template(seeds: Seeds, as_user: As) -> None:
    seeds.job(ANN, RUN, map_index=7, kling_task_id="waits", rendered_map_index="kite")
    seeds.instance(ANN, RUN, "film.save", 0, rendered_map_index="tram")
    seeds.video(ANN, RUN, "film.save", 0, kling_task_id="done")
    seeds.session.commit()
    assert {key: card["label"] for key, card in cards(as_user).items()} == {"waits": "kite", "done": "tram"}


def test_a_field_that_cannot_be_read_is_named(seeds: Seeds, as_user: As) -> None:
    seeds.video(ANN, RUN, kling_task_id="k1", billing="abc", duration="long")
    seeds.session.commit()
    card = cards(as_user)["k1"]
    assert (card["state"], card["notes"]) == ("done", ["billing", "duration"])
    seeds.job(ANN, RUN, map_index=1, kling_task_id="k2", request={"prompt": ["a"]})
    seeds.session.commit()
    assert cards(as_user)["k2"]["notes"] == ["request.prompt"]


def test_the_sum_counts_by_state_and_pays_once(seeds: Seeds, as_user: As) -> None:
    seeds.run(ANN, "today", "running")
    saved = [seeds.saved(f"{n}.mp4", f"s{n}") for n in range(2)]
    for index, file in enumerate(saved):
        seeds.video(ANN, "today", map_index=index, kling_task_id=f"s{index}", files=[file])
    seeds.video(ANN, "today", map_index=2, kling_task_id="unsaved")
    seeds.job(ANN, "today", map_index=3, kling_task_id="r1")
    for index in (4, 5):
        seeds.job(ANN, "today", map_index=index, says="waiting_for_concurrency")
    seeds.job(ANN, "today", map_index=6, says="failed", state="failed", reason="No.")
    seeds.video("bob_clips", RUN, kling_task_id="bob")
    seeds.session.commit()
    said = as_user("ann").get("/kling/api/sums").json()
    assert said == {
        "whole": True,
        "finished": 3,
        "types": {"text_to_video": 7},
        "noun": "video",
        "again": 0,
        "states": {"saved": 2, "at_kling": 1, "rendering": 1, "waiting_for_concurrency": 2, "failed": 1},
        "paid": [{"currency": None, "package_type": "video", "amount": "9"}],
    }
    assert as_user("ann").get("/kling/api/sums", params={"dag_id": "bob_clips"}).json()["finished"] == 0
    assert as_user("root").get("/kling/api/sums", params={"dag_id": "bob_clips"}).json()["finished"] == 1


@pytest.mark.slow
def test_more_videos_than_anybody_counts(seeds: Seeds, as_user: As) -> None:
    seeds.thousands(ANN, RUN, 5001)
    seeds.job(ANN, RUN, "waits", 0, kling_task_id="r1")
    seeds.session.commit()
    said = as_user("ann").get("/kling/api/sums").json()
    assert (said["whole"], said["states"], said["paid"]) == (False, {"rendering": 1}, [])


class TestXComsInAnObjectStore:
    """Airflow's own backend leaves an address in the database."""

    ADDRESS = "s3://xcoms/ann_clips/run/video/kling.json"

    def test_jobs_are_seen(self, seeds: Seeds, as_user: As) -> None:
        seeds.run(ANN, "today", "running")
        there = {"elsewhere": self.ADDRESS}
        seeds.job(ANN, "today", map_index=0, kling_task_id="k0", request={"name": "kite"}, **there)
        seeds.job(ANN, "today", map_index=1, says="failed", state="failed", reason="Change it.", **there)
        seeds.job(ANN, "today", "submit", 2, says="submitted", state="success", kling_task_id="k2", **there)
        seeds.job(ANN, "today", "submit", 3, says="submitted", state="success", kling_task_id="k3", **there)
        seeds.video(ANN, "today", "save", 3, kling_task_id="k3")
        seeds.job(ANN, "today", map_index=4, says="succeeded", state="success", kling_task_id="k4", **there)
        seeds.video(ANN, "today", map_index=4, kling_task_id="k4")
        seeds.session.commit()
        found = cards(as_user)
        assert {key: card["state"] for key, card in found.items() if key[0] == "k"} == {
            "k0": "rendering",
            "k2": "rendering",
            "k3": "done",
            "k4": "done",
        }
        [failed] = [card for card in found.values() if card["state"] == "failed"]
        assert (failed["reason"], found["k0"]["name"]) == ("Change it.", "kite")
        assert set(cards(as_user, text="kite")) == {"k0"}
        changed = as_user("ann").get("/kling/api/changes", params={"since": 0}).json()["cards"]
        assert {"k0", "k2"} < {card["key"] for card in changed}

    def test_one_of_which_nothing_is_known_says_so(self, seeds: Seeds, as_user: As) -> None:
        seeds.instance(ANN, RUN, "video", 0, "failed")
        seeds.xcom(ANN, RUN, "video", 0, "kling", self.ADDRESS)
        seeds.session.commit()
        [card] = cards(as_user).values()
        assert card["state"] == "unreadable"
        assert "object store" in card["reason"]

    @pytest.mark.parametrize(
        ("address", "status"),
        [
            ("{store}/result.json", 307),
            ("{outside}/result.json", 404),
            ("{store}/../outside/result.json", 404),
        ],
    )
    def test_an_unsaved_video_plays(
        self,
        seeds: Seeds,
        as_user: As,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        address: str,
        status: int,
    ) -> None:
        result = {
            "kling_task_id": "k1",
            "outputs": [{"url": "https://v15-kling-fdl.klingai.com/v.mp4?sign=abc"}],
        }
        folders = {"store": tmp_path / "store", "outside": tmp_path / "outside"}
        for folder in folders.values():
            folder.mkdir()
            (folder / "result.json").write_text(json.dumps(result))
        monkeypatch.setenv("AIRFLOW__COMMON_IO__XCOM_OBJECTSTORAGE_PATH", f"file://{folders['store']}")
        seeds.instance(ANN, RUN, "video", 0)
        expires = (datetime.now(UTC) + timedelta(days=9)).isoformat()
        seeds.video(ANN, RUN, map_index=0, kling_task_id="k1", expires_at=expires)
        where = address.format(**{name: f"file://{folder}" for name, folder in folders.items()})
        seeds.xcom(ANN, RUN, "video", 0, "return_value", where)
        seeds.session.commit()
        [card] = cards(as_user).values()
        assert card["outputs"][0]["src"]
        assert as_user("ann").get(f"/kling/{card['outputs'][0]['src']}").status_code == status

# SPDX-License-Identifier: Apache-2.0
"""What one task wrote about its video broke the gallery for everybody."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.regressions.gallery_world import RUN, gallery, needs_gallery, shown, world
from tests.unit.gallery.seeds import Seeds

__all__ = ["gallery", "shown", "world"]
pytestmark = needs_gallery

#: field of an asset event -> a value that is something else than it should be
ODD: dict[str, Any] = {
    "prompt": 2024,
    "name": ["a", "list"],
    "files": "x",
    "billing": "abc",
    "duration": "long",
    "model": {"a": 1},
    "take": "second",
    "created_at": 5,
    "finished_at": "yesterday",
    "expires_at": [],
    "type": 7,
}


def cards(client: TestClient, path: str = "/kling/api/videos", **query: Any) -> dict[str, dict[str, Any]]:
    answer = client.get(path, params=query)
    assert answer.status_code == 200, f"{path} answered {answer.status_code}: nobody sees any video"
    return {card["key"]: card for card in answer.json()["cards"]}


def assert_drawable(card: dict[str, Any]) -> None:
    """What the page does with a card: it shows texts, adds figures, reads times, walks lists."""
    for field in ("name", "prompt", "model", "type", "reason", "created_at", "finished_at", "expires_at"):
        assert isinstance(card[field], str | None), f"{field} of a card is {card[field]!r}"
    assert isinstance(card["seconds"], int | float | None)
    assert isinstance(card["outputs"], list)
    assert isinstance(card["billing"], list)
    for entry in card["billing"]:
        float(entry["amount"])
    for output in card["outputs"]:
        assert isinstance(output["place"], str)
        assert isinstance(output["address"], str | None)


def good_and_odd(world: Seeds, **odd: Any) -> None:
    world.video("ann_clips", RUN, map_index=0, kling_task_id="good")
    world.video("ann_clips", RUN, map_index=1, kling_task_id="odd", **odd)
    world.session.commit()


@pytest.mark.parametrize("field", ODD)
def test_an_event_with_an_odd_field_is_one_odd_card(
    world: Seeds, gallery: Callable[[str], TestClient], field: str
) -> None:
    good_and_odd(world, **{field: ODD[field]})
    found = cards(gallery("ann"))
    assert set(found) == {"good", "odd"}
    for card in found.values():
        assert_drawable(card)
    assert found["good"]["prompt"].startswith("A red panda")


@pytest.mark.parametrize(
    "files",
    [
        "x",
        5,
        {"file": "a.mp4"},
        ["x"],
        [None],
        [[]],
        [{"file": 5}],
        [{"file": None, "bytes": "many"}],
        [{"poster": []}],
    ],
)
def test_files_that_are_no_files(world: Seeds, gallery: Callable[[str], TestClient], files: Any) -> None:
    good_and_odd(world, files=files)
    found = cards(gallery("ann"))
    for card in found.values():
        assert_drawable(card)
    for path in ("videos", "posters"):
        answer = gallery("ann").get(f"/kling/{path}/ann_clips/{RUN}/video/1/0")
        assert answer.status_code == 404, f"{path} answered {answer.status_code}"


@pytest.mark.parametrize(
    "billing",
    [
        "abc",
        3,
        [3],
        [{"amount": "much"}],
        [{"amount": "NaN"}],
        [{"amount": "1e999999"}],
        [{}],
        {"amount": "3"},
    ],
)
def test_a_bill_that_is_none_adds_nothing(
    world: Seeds, gallery: Callable[[str], TestClient], billing: Any
) -> None:
    good_and_odd(world, billing=billing)
    assert_drawable(cards(gallery("ann"))["odd"])
    answer = gallery("ann").get(f"/kling/api/runs/ann_clips/{RUN}/total")
    assert answer.status_code == 200, "the sum of a run cannot be made"
    said = answer.json()
    assert (said["finished"], said["paid"]) == (
        2,
        [{"currency": None, "package_type": "video", "amount": "3"}],
    )


@pytest.mark.parametrize(
    "request_",
    [
        {"prompt": 2024},
        "a text",
        ["a"],
        {"prompt": ["a"], "duration": "long", "model": 3},
        {"name": {"a": 1}},
    ],
)
def test_a_job_with_an_odd_request(world: Seeds, gallery: Callable[[str], TestClient], request_: Any) -> None:
    world.job("ann_clips", RUN, map_index=0, kling_task_id="good")
    world.job("ann_clips", RUN, map_index=1, kling_task_id="odd", known={"request": request_})
    world.session.commit()
    for path, query in (("/kling/api/videos", {}), ("/kling/api/changes", {"since": 0})):
        found = cards(gallery("ann"), path, **query)
        assert set(found) == {"good", "odd"}
        for card in found.values():
            assert_drawable(card)


@pytest.mark.parametrize(
    "known",
    [
        "a text",
        5,
        [1],
        {"state": 5},
        {"state": "failed", "reason": ["a"]},
        {"state": "processing", "created_at": 9},
    ],
)
def test_an_xcom_that_is_something_else(
    world: Seeds, gallery: Callable[[str], TestClient], known: Any
) -> None:
    world.job("ann_clips", RUN, map_index=0, kling_task_id="good")
    world.instance("ann_clips", RUN, "video", 1, "failed")
    world.xcom("ann_clips", RUN, "video", 1, "kling", known)
    world.session.commit()
    found = cards(gallery("ann"))
    assert "good" in found
    assert len(found) == 2, "the one that cannot be read is not shown at all"
    for card in found.values():
        assert_drawable(card)


@pytest.mark.parametrize("table", ["asset_event", "xcom"])
@pytest.mark.parametrize("depth", [2_000, 500_000])
def test_brackets_in_the_database_cost_one_card(
    world: Seeds, gallery: Callable[[str], TestClient], table: str, depth: int
) -> None:
    from sqlalchemy import text

    world.video("ann_clips", RUN, map_index=0, kling_task_id="good")
    world.job("ann_clips", RUN, "waits", 0, kling_task_id="good-job")
    if table == "asset_event":
        world.video("ann_clips", RUN, map_index=1, kling_task_id="deep")
    else:
        world.job("ann_clips", RUN, map_index=1, kling_task_id="deep")
    column, whose = ("extra", "source_map_index") if table == "asset_event" else ("value", "map_index")
    document = '{"kling_task_id": "deep", "state": "processing", "files": ' + "[" * depth + "]" * depth + "}"
    world.session.execute(
        text(f"UPDATE {table} SET {column} = :document WHERE {whose} = 1"), {"document": document}
    )
    world.session.commit()
    for path, query in (
        ("/kling/api/videos", {}),
        ("/kling/api/changes", {"since": 0}),
        ("/kling/api/videos", {"text": "porch"}),
    ):
        found = cards(gallery("ann"), path, **query)
        assert "good" in found
    found = cards(gallery("ann"))
    assert {"good", "good-job"} < set(found)
    assert len(found) == 3, "the one that cannot be read is not shown at all"


@pytest.mark.parametrize(
    "prompt",
    ["half \ud83d pair", "nul \x00 end", "\x1b[31mred\x1b[0m", "[" * 100_000, "\u202eright to left"],
    ids=["half a pair", "zero", "colours", "long", "right to left"],
)
def test_a_prompt_that_no_page_can_show_as_it_is(
    world: Seeds, gallery: Callable[[str], TestClient], prompt: str
) -> None:
    good_and_odd(world, prompt=prompt)
    found = cards(gallery("ann"))
    shown_prompt = found["odd"]["prompt"]
    assert not set("\x00\x1b") & set(shown_prompt)
    assert len(shown_prompt) < 50_000
    json.dumps(shown_prompt, ensure_ascii=False).encode()


@given(
    field=st.sampled_from(sorted(ODD)),
    value=st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(10**20), 10**20)
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["file", "amount", "type", "a"]), inner, max_size=3)
        ),
        max_leaves=6,
    ),
)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_a_field_holds_the_page_can_be_drawn(
    world: Seeds, gallery: Callable[[str], TestClient], field: str, value: Any
) -> None:
    from sqlalchemy import delete

    world.session.execute(delete(world._tables["asset_event"]))
    good_and_odd(world, **{field: value})
    found = cards(gallery("ann"))
    assert "good" in found
    for card in found.values():
        assert_drawable(card)


def test_cards_of_two_dags_are_two_cards_whatever_ids_they_claim(
    world: Seeds, gallery: Callable[[str], TestClient]
) -> None:
    """Bob's task writes the id of Ann's video into its event; on the page of who may see both, Ann's is gone."""
    world.video("ann_clips", RUN, kling_task_id="k1", name="kite")
    world.video("bob_clips", RUN, kling_task_id="k1", name="mine now")
    world.session.commit()
    answer = gallery("root").get("/kling/api/videos")
    assert {card["name"] for card in answer.json()["cards"]} == {"kite", "mine now"}


def test_a_job_is_not_hidden_by_another_dags_event(
    world: Seeds, gallery: Callable[[str], TestClient]
) -> None:
    world.job("ann_clips", RUN, kling_task_id="k1", request={"name": "kite"})
    world.video("bob_clips", RUN, kling_task_id="k1", name="mine now")
    world.session.commit()
    answer = gallery("root").get("/kling/api/videos")
    assert {card["name"] for card in answer.json()["cards"]} == {"kite", "mine now"}


@pytest.mark.parametrize("word", ["None", "null", ""])
def test_a_word_for_nothing_is_no_id(world: Seeds, gallery: Callable[[str], TestClient], word: str) -> None:
    """A template that found no XCom rendered it; two downloads that failed so are two cards."""
    for index in range(2):
        world.job(
            "ann_clips",
            RUN,
            "save",
            index,
            says="failed",
            state="failed",
            kling_task_id=word,
            reason=f"No task {index}.",
        )
    world.session.commit()
    answer = gallery("ann").get("/kling/api/videos")
    assert sorted(card["reason"] for card in answer.json()["cards"]) == ["No task 0.", "No task 1."]
    assert {card["kling_task_id"] for card in answer.json()["cards"]} == {None}

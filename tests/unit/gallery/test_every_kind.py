# SPDX-License-Identifier: Apache-2.0
"""Cards of results that are no single video: images, sounds, several outputs, ids and facts."""

from __future__ import annotations

import io
from typing import Any
from urllib.parse import quote

import pytest
from PIL import Image

from kling_provider.api.catalog import add_spec_for_now
from tests.support.postcard_request import POSTCARD
from tests.unit.gallery.conftest import RUN, As
from tests.unit.gallery.seeds import Seeds

ANN = "ann_clips"
HOST = "https://v15-kling-fdl.klingai.com"
ALIVE = "2999-01-01T00:00:00+00:00"
SESSION = {"type": "session", "id": "s-1", "facts": {"faces": "2"}}


def picture(side: int = 64, kind: str = "PNG") -> bytes:
    target = io.BytesIO()
    Image.new("RGB", (side, side), "teal").save(target, kind)
    return target.getvalue()


def saved(seeds: Seeds, name: str, type: str, number: int, content: bytes, key: str = "k1") -> dict[str, Any]:
    """A file of output ``number`` of a task, with a manifest of its own beside it."""
    return {**seeds.saved(name, key, content), "type": type, "output": number}


def outputs_of(as_user: As, **where: Any) -> list[dict[str, Any]]:
    (card,) = as_user("ann").get("/kling/api/videos", params=where).json()["cards"]
    outputs: list[dict[str, Any]] = card["outputs"]
    return outputs


def route(what: str, number: int, *more: object) -> str:
    parts = "".join(f"/{one}" for one in more)
    return f"/kling/{what}/{ANN}/{quote(RUN, safe='')}/video/-1/{number}{parts}"


def test_nine_images_are_nine_outputs(seeds: Seeds, as_user: As) -> None:
    files = [saved(seeds, f"boat-{n}.png", "image", n, picture()) for n in range(9)]
    seeds.video(ANN, RUN, kling_task_id="k1", files=files, outputs=[{"type": "image"}] * 9)
    seeds.session.commit()
    outputs = outputs_of(as_user)
    assert [(one["noun"], one["media_type"], one["place"]) for one in outputs] == [
        ("image", "image/png", "here")
    ] * 9
    answer = as_user("ann").get(route("videos", 8))
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")


def test_each_output_keeps_its_file_where_others_have_none(seeds: Seeds, as_user: As) -> None:
    """A voice is an id with a trial sound beside: the file that follows belongs to the third output."""
    sound = saved(seeds, "trial.mp3", "audio", 2, b"ID3 no sound at all")
    told = [{"type": "voice", "id": "v-1", "facts": {"name": "Keeper"}}, SESSION, {"type": "audio"}]
    seeds.video(ANN, RUN, kling_task_id="k1", files=[sound], outputs=told)
    seeds.session.commit()
    voice, session, audio = outputs_of(as_user)
    assert (voice["place"], voice["id"], voice["facts"], voice["src"]) == (
        "facts",
        "v-1",
        {"name": "Keeper"},
        None,
    )
    assert (session["place"], session["facts"]) == ("facts", {"faces": "2"})
    assert (audio["noun"], audio["place"], audio["media_type"]) == ("sound", "here", "audio/mpeg")
    ann = as_user("ann")
    assert ann.get(route("videos", 2)).content == b"ID3 no sound at all"
    assert ann.get(route("videos", 0)).status_code == 404


def test_a_face_session_is_facts_even_when_kling_forgot_it(seeds: Seeds, as_user: As) -> None:
    seeds.video(ANN, RUN, kling_task_id="k1", outputs=[SESSION], expires_at="2020-01-01T00:00:00+00:00")
    seeds.session.commit()
    (session,) = outputs_of(as_user)
    assert (session["place"], session["id"], session["why"]) == ("facts", "s-1", None)


def test_an_element_shows_its_images_by_klings_links(seeds: Seeds, as_user: As) -> None:
    links = [f"{HOST}/front.png?sign=1", "https://elsewhere.example/side.png", "javascript:alert(1)"]
    told = {"type": "element", "id": "e-1", "facts": {"name": "Keeper"}, "images": 3}
    seeds.video(ANN, RUN, kling_task_id="k1", outputs=[told], expires_at=ALIVE)
    seeds.instance(ANN, RUN, "video")
    result = {"kling_task_id": "k1", "outputs": [{"type": "element", "details": {"images": links}}]}
    seeds.xcom(ANN, RUN, "video", -1, "return_value", result)
    seeds.session.commit()
    (element,) = outputs_of(as_user)
    assert (element["place"], element["id"], len(element["images"])) == ("facts", "e-1", 3)
    ann = as_user("ann")
    first = ann.get(f"/kling/{element['images'][0]}")
    assert (first.status_code, first.headers["location"]) == (307, links[0])
    # A host that is not the connection's, what is no link, and numbers beyond.
    assert "media_hosts" in ann.get(route("images", 0, 1)).json()["detail"]
    assert [ann.get(route("images", 0, n)).status_code for n in (2, 3)] == [404, 404]
    assert ann.get(route("images", 5, 0)).status_code == 404
    assert as_user(None).get(route("images", 0, 0)).status_code == 401


def test_a_voice_plays_its_trial_sound_from_kling(seeds: Seeds, as_user: As) -> None:
    seeds.instance(ANN, RUN, "video")
    seeds.video(
        ANN,
        RUN,
        kling_task_id="k1",
        outputs=[{"type": "voice", "id": "v-1"}],
        link=f"{HOST}/trial.mp3?sign=1",
        expires_at=ALIVE,
    )
    seeds.session.commit()
    (voice,) = outputs_of(as_user)
    assert (voice["place"], voice["media_type"], voice["id"]) == ("kling", "audio/mpeg", "v-1")
    assert as_user("ann").get(f"/kling/{voice['src']}").status_code == 307


def test_subtitles_are_downloads(seeds: Seeds, as_user: As) -> None:
    files = [
        saved(seeds, "tale-1.srt", "srt", 1, b"1\n00:00 --> 00:01\nHello"),
        saved(seeds, "tale-2.ass", "ass", 2, b"[Script Info]"),
    ]
    told = [{"type": "subbed_video"}, {"type": "srt"}, {"type": "ass"}]
    seeds.video(ANN, RUN, kling_task_id="k1", files=files, outputs=told)
    seeds.session.commit()
    video, srt, ass = outputs_of(as_user)
    assert [one["noun"] for one in (video, srt, ass)] == ["video with subtitles", "subtitles", "subtitles"]
    answer = as_user("ann").get(f"{route('videos', 1)}?download=true")
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["content-type"].startswith("text/plain")


@pytest.mark.parametrize(
    ("outputs", "expected"),
    [("x", 1), ([{"type": 5, "id": ["a"]}], 1), ([{"type": "image", "facts": "x", "images": 10**9}], 1)],
)
def test_outputs_that_are_none_cost_no_card(outputs: Any, expected: int, seeds: Seeds, as_user: As) -> None:
    seeds.video(ANN, RUN, kling_task_id="k1", outputs=outputs)
    seeds.session.commit()
    assert len(outputs_of(as_user)) == expected


def test_types_are_filtered_listed_and_summed_apart(seeds: Seeds, as_user: As) -> None:
    with add_spec_for_now(POSTCARD):
        seeds.video(ANN, RUN, kling_task_id="film")
        for index in range(2):
            bill = [{"charge_type": "unit", "amount": "12.5", "currency": None}]
            seeds.video(
                ANN, RUN, map_index=index, kling_task_id=f"card{index}", type="postcard", billing=bill
            )
        seeds.job(ANN, RUN, map_index=7, kling_task_id="waits", request={"type": "postcard", "words": "a/b"})
        seeds.session.commit()
        ann = as_user("ann")

        def keys(**where: str) -> set[str]:
            page = ann.get("/kling/api/videos", params=where).json()["cards"]
            return {card["kling_task_id"] for card in page}

        assert keys(type="text_to_video") == {"film"}
        assert keys(type="postcard") == {"card0", "card1", "waits"}
        assert keys(type="postcard", state="done") == {"card0", "card1"}
        assert ann.get("/kling/api/choices").json()["types"] == ["postcard", "text_to_video"]
        said = ann.get("/kling/api/sums").json()
        assert (said["types"], said["noun"]) == ({"text_to_video": 1, "postcard": 3}, "result")
        # Units of two kinds of packs: a bill that does not name its own is paid as its type is.
        assert said["paid"] == [
            {"currency": None, "package_type": "image", "amount": "25.0"},
            {"currency": None, "package_type": "video", "amount": "3"},
        ]
        (film,) = ann.get("/kling/api/videos", params={"type": "text_to_video"}).json()["cards"]
        assert (film["type"], film["noun"]) == ("text_to_video", "video")
        assert ann.get("/kling/api/sums", params={"type": "text_to_video"}).json()["noun"] == "video"

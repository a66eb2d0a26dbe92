# SPDX-License-Identifier: Apache-2.0
"""The four examples of chains, as they stand in dags/: what they make, decoded; what they pay; and that a plan pays nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contract.media_checks import distance, envelope, likeness, loudness
from tests.stack.types.conftest import EXAMPLES, SHORT_SIDE, Run
from tests.stack.types.looks import WIDE, film, frame, images, seconds, sound

Examples = dict[str, Run]


def test_an_image_becomes_a_video_with_a_sound(examples: Examples) -> None:
    run = examples["kling_image_video_sound"]
    assert run.states == {"image": "success", "video": "success", "film": "success"}
    [image] = images(run, "image")
    silent, heard = film(run, "video"), film(run, "film")
    assert distance(silent.frames[0], frame(image)) < 10
    assert max(distance(a, b) for a, b in zip(silent.frames, heard.frames, strict=True)) < 4
    assert silent.seconds == heard.seconds == pytest.approx(5, abs=0.1)
    assert loudness(silent.samples) == 0
    assert loudness(heard.samples) > 300
    assert likeness(envelope(heard.samples, 0, 5), envelope(sound(run, "film"), 0, 5)) > 0.9
    assert [file.parent.name for file in run.files("film")] == [run.run_id] * 2


def test_a_portrait_speaks_the_script(examples: Examples) -> None:
    run = examples["kling_talking_avatar"]
    assert run.states == {"voice": "success", "portrait": "success", "avatar": "success"}
    [portrait] = images(run, "portrait")
    voice, avatar = sound(run, "voice"), film(run, "avatar")
    assert avatar.seconds == pytest.approx(seconds(voice), abs=0.2)
    assert min(avatar.size) == SHORT_SIDE
    assert distance(avatar.frames[0], frame(portrait)) < 10
    assert likeness(envelope(avatar.samples, 0, 5), envelope(voice, 0, 5)) > 0.9


def test_lips_in_a_video_follow_other_words(examples: Examples) -> None:
    run = examples["kling_lip_sync"]
    assert set(run.states.values()) == {"success"}
    voice, before, after = sound(run, "voice"), film(run, "video"), film(run, "lips")
    assert before.seconds == after.seconds == pytest.approx(10, abs=0.1)
    assert after.size == WIDE
    said = min(seconds(voice), 10.0)
    assert run.stack.api.xcom(run.dag_id, run.run_id, "milliseconds") == pytest.approx(said * 1000, abs=100)
    assert likeness(envelope(after.samples, 0, said - 0.2), envelope(voice, 0, said - 0.2)) > 0.9
    assert loudness(after.samples, said + 0.3) < loudness(after.samples, 0, said) / 20


def test_one_character_in_five_shots(examples: Examples) -> None:
    run = examples["kling_character_shots"]
    shots = [f"shot[{index}]" for index in range(5)]
    assert run.states == dict.fromkeys(("portrait", "sides", "character", *shots), "success")
    assert len(images(run, "sides")) == 9
    [character] = run.result("character")["outputs"]
    names = []
    for index in range(5):
        shot = film(run, "shot", index)
        assert shot.size == WIDE
        assert shot.seconds == pytest.approx(3, abs=0.1)
        names.append(run.result("shot", index)["name"])
    assert names == ["gate", "stairs", "lamp", "gallery", "night"]
    with_it = [one for one in run.sandbox.backend.all() if "@keeper" in str(one.request.prompt)]
    assert len(with_it) == 5
    assert all(character["id"] in str(one.request.body) for one in with_it)


def test_each_step_was_paid_once_and_a_plan_pays_nothing(examples: Examples) -> None:
    for name in EXAMPLES:
        states = examples[f"{name}, planned"].states
        assert set(states.values()) == {"success", "skipped"}, states
    # 3 and 3; video, voice, faces and lips; portrait, sides, character and five shots.
    creates = examples[EXAMPLES[0]].sandbox.stats()["creates"]
    assert creates["made"] == creates["received"] == 3 + 3 + 4 + 8


@pytest.mark.parametrize(
    ("name", "first"),
    [("kling_image_video_sound", "image"), ("kling_talking_avatar", "voice"), ("kling_lip_sync", "voice")],
)
def test_a_plan_tells_the_price_of_the_first_step(examples: Examples, name: str, first: str) -> None:
    """That of the character is once per Dag: what the paying run has made already is no plan any more."""
    plan = examples[f"{name}, planned"].result(first)
    assert plan["plan_only"] is True
    assert plan["price"]["units"]


def test_nothing_else_lies_where_the_examples_save(examples: Examples) -> None:
    run = examples["kling_character_shots"]
    folder = run.files("portrait")[0].parent
    assert {file.suffix for file in Path(folder).iterdir()} <= {".png", ".mp4", ".jpg", ".json"}

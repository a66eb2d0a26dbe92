# SPDX-License-Identifier: Apache-2.0
"""Sounds, voices, elements, sessions and subtitles: what is saved of them, and the facts that have no file."""

from __future__ import annotations

import re

import pytest

from tests.contract.media_checks import loudness
from tests.stack.types.conftest import Run
from tests.stack.types.looks import seconds, sound

_TIMES = re.compile(r"(\d\d):(\d\d):(\d\d),(\d{3}) --> (\d\d):(\d\d):(\d\d),(\d{3})")


def test_a_sound_from_words(every_type: Run) -> None:
    samples = sound(every_type, "text_to_audio")
    assert seconds(samples) == pytest.approx(5, abs=0.1)
    assert loudness(samples) > 300
    [output] = every_type.result("text_to_audio")["outputs"]
    assert output["duration"] == pytest.approx(5, abs=0.05)


def test_speech(every_type: Run) -> None:
    samples = sound(every_type, "tts")
    [output] = every_type.result("tts")["outputs"]
    assert seconds(samples) == pytest.approx(output["duration"], abs=0.1)
    assert loudness(samples) > 300
    assert every_type.result("tts")["times_sent"] == 1


def test_a_voice_has_an_id_and_a_sample(every_type: Run) -> None:
    [voice] = every_type.result("custom_voice")["outputs"]
    assert voice["type"] == "voice"
    assert voice["id"].isdecimal()
    assert voice["details"]["name"] == "lighthouse keeper"
    assert loudness(sound(every_type, "custom_voice")) > 300  # a sample of it


@pytest.mark.parametrize("type_", ["custom_element", "custom_element_old"])
def test_an_element_has_an_id_and_no_file(every_type: Run, type_: str) -> None:
    [element] = every_type.result(type_)["outputs"]
    assert element["type"] == "element"
    assert element["id"].isdecimal()
    assert element["file"] is None
    assert element["details"]["name"] == "lighthouse keeper"


def test_faces_are_told_with_when_they_are_seen(every_type: Run) -> None:
    [session] = every_type.result("identify_face")["outputs"]
    assert session["type"] == "session"
    [face] = session["details"]["faces"]
    assert face["face_image"].startswith("http")
    assert 0 <= face["start_time"] < face["end_time"] <= 5041


def test_a_session_is_told_with_the_facts_of_its_video(every_type: Run) -> None:
    [session] = every_type.result("multi_elements_init")["outputs"]
    facts = session["details"]
    assert (facts["fps"], facts["original_duration"]) == (24.0, 5041)
    assert (facts["width"], facts["height"]) == (1280, 720)


def test_the_tools_of_a_session_work_in_it(every_type: Run) -> None:
    [opened] = every_type.result("multi_elements_init")["outputs"]
    for tool in ("add", "delete", "clear"):
        [output] = every_type.result(f"multi_elements_{tool}")["outputs"]
        assert (output["type"], output["id"]) == ("session", opened["id"]), tool
    [marked] = every_type.result("multi_elements_add")["outputs"]
    assert marked["details"]["frame_index"] == 0
    assert len(marked["details"]["masks"]) == 1
    [unmarked] = every_type.result("multi_elements_delete")["outputs"]
    assert unmarked["details"]["masks"] == []
    [preview] = every_type.result("multi_elements_preview")["outputs"]
    assert preview["details"]["session_id"] == opened["id"]


def test_subtitles_can_be_read(every_type: Run) -> None:
    _, srt, ass = every_type.files("drama_subtitle")
    blocks = srt.read_text().strip().split("\n\n")
    last = 0
    for number, block in enumerate(blocks, 1):
        head, times, *lines = block.splitlines()
        parts = [int(part) for part in _TIMES.fullmatch(times).groups()]  # type: ignore[union-attr]
        start, end = (
            ((parts[at] * 60 + parts[at + 1]) * 60 + parts[at + 2]) * 1000 + parts[at + 3] for at in (0, 4)
        )
        assert int(head) == number
        assert last <= start < end <= 5041
        assert all(lines)
        last = end
    dialogue = [line for line in ass.read_text().splitlines() if line.startswith("Dialogue:")]
    assert len(dialogue) == len(blocks)

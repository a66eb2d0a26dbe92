# SPDX-License-Identifier: Apache-2.0
"""Videos, decoded: how long, how large, what they begin with, what is heard."""

from __future__ import annotations

import pytest

from tests.contract.media_checks import distance, envelope, likeness, loudness
from tests.stack.types.conftest import Run
from tests.stack.types.looks import TALL, WIDE, film, frame, images, sound

#: A frame after it was encoded twice, by the mean difference of its pixels.
SAME = 4.0


@pytest.mark.parametrize(
    ("type_", "size", "seconds", "is_heard"),
    [
        ("text_to_video", WIDE, 5, False),
        ("image_to_video", (216, 144), 5, False),
        ("omni_video", WIDE, 5, False),
        ("motion_control", (216, 144), 5, False),
        ("effects", WIDE, 5, False),
        ("goods_studio", TALL, 15, True),
        ("talking_agent", TALL, 3, True),
        ("avatar", (216, 144), 5.2, True),
        ("clothing_dupe", TALL, 5, True),
        ("drama_subtitle", WIDE, 5, True),
        ("multi_elements", WIDE, 5, False),
        ("video_extend", WIDE, 10, False),
        ("video_to_audio", WIDE, 5, True),
        ("advanced_lip_sync", WIDE, 5, True),
        ("lip_sync", WIDE, 5, True),
        ("multi_elements_preview", WIDE, 5, False),
    ],
)
def test_a_video_is_as_long_and_large_as_asked_and_has_a_sound_or_none(
    every_type: Run, type_: str, size: tuple[int, int], seconds: float, is_heard: bool
) -> None:
    video = film(every_type, type_)
    assert video.size == size
    assert video.seconds == pytest.approx(seconds, abs=0.1)
    assert (loudness(video.samples) > 100) is is_heard
    assert distance(video.frames[0], video.frames[-1]) > 0  # it moves


def test_an_image_begins_to_move(every_type: Run) -> None:
    [picture] = images(every_type, "image_generation")
    first = film(every_type, "image_to_video").frames[0]
    other = film(every_type, "text_to_video").frames[0]
    assert distance(first, frame(picture)) < distance(other, frame(picture)) / 2


def test_an_extended_video_begins_with_its_source(every_type: Run) -> None:
    source, extended = film(every_type, "text_to_video"), film(every_type, "video_extend")
    pairs = zip(source.frames, extended.frames, strict=False)
    assert max(distance(one, other) for one, other in pairs) < SAME
    assert len(extended.frames) > len(source.frames) + 4 * 24


def test_a_scored_video_has_its_pictures_and_the_sound_that_is_saved_beside_it(every_type: Run) -> None:
    source, scored = film(every_type, "text_to_video"), film(every_type, "video_to_audio")
    assert max(distance(a, b) for a, b in zip(source.frames, scored.frames, strict=True)) < SAME
    alone = sound(every_type, "video_to_audio")
    assert likeness(envelope(scored.samples, 0, 5), envelope(alone, 0, 5)) > 0.9


def test_lips_move_to_the_part_of_the_sound_that_was_asked_for(every_type: Run) -> None:
    """The first three seconds of the speech, from 0.5 s on; the video's own sound is off."""
    speech, video = sound(every_type, "tts"), film(every_type, "advanced_lip_sync")
    assert likeness(envelope(video.samples, 0.5, 3.5), envelope(speech, 0, 3)) > 0.9
    assert loudness(video.samples, 0, 0.4) < loudness(video.samples, 0.5, 3.5) / 20
    assert loudness(video.samples, 3.7) < loudness(video.samples, 0.5, 3.5) / 20
    assert every_type.result("advanced_lip_sync")["billing"][0]["amount"] == "0.5"


def test_an_avatar_shows_the_image_and_says_the_sound(every_type: Run) -> None:
    [picture] = images(every_type, "image_generation")
    speech, video = sound(every_type, "tts"), film(every_type, "avatar")
    assert likeness(envelope(video.samples, 0, 5), envelope(speech, 0, 5)) > 0.9
    other = film(every_type, "text_to_video").frames[0]
    assert distance(video.frames[0], frame(picture)) < distance(other, frame(picture)) / 2


def test_what_was_marked_is_something_else_in_an_edited_video(every_type: Run) -> None:
    """At 0.77, 0.3 of the frame: the largest change of all is there, and the opposite corner is as it was."""
    source, edited = film(every_type, "text_to_video"), film(every_type, "multi_elements")
    changes = {
        (at % 16, at // 16): abs(a - b)
        for at, (a, b) in enumerate(zip(source.frames[0], edited.frames[0], strict=True))
    }
    column, row = max(changes, key=lambda place: changes[place])
    assert abs(column + 0.5 - 0.77 * 16) < 3
    assert abs(row + 0.5 - 0.3 * 9) < 3
    assert changes[column, row] > 3 * max(changes[0, 8], 1)

# SPDX-License-Identifier: Apache-2.0
"""What ``make demo`` says about a file: the last word on whether a video is what was asked for."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest

from demo.videos import VideoFile, differences, read_video

ASKED = {"duration": 5, "aspect_ratio": "16:9", "audio": False}
RIGHT = VideoFile(codec="h264", seconds=5.0, width=1280, height=720, sound=False)


def write_video(file: Path, *, seconds: int, width: int, height: int, sound: bool) -> None:
    with av.open(str(file), "w") as container:
        video = container.add_stream("libx264", rate=24)
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        voice = container.add_stream("aac", rate=44100) if sound else None
        for _ in range(24 * seconds):
            container.mux(video.encode(av.VideoFrame(width, height, "yuv420p")))
        container.mux(video.encode())
        if voice:
            for index in range(44100 * seconds // 1024):
                frame = av.AudioFrame(format="fltp", layout="stereo", samples=1024)
                frame.sample_rate, frame.pts, frame.time_base = 44100, index * 1024, Fraction(1, 44100)
                for plane in frame.planes:
                    plane.update(bytes(plane.buffer_size))
                container.mux(voice.encode(frame))
            container.mux(voice.encode())


@pytest.mark.parametrize("sound", [True, False])
def test_a_file_is_decoded_to_its_end(tmp_path: Path, sound: bool) -> None:
    file = tmp_path / "video.mp4"
    write_video(file, seconds=2, width=320, height=180, sound=sound)
    assert read_video(file) == VideoFile(codec="h264", seconds=2.0, width=320, height=180, sound=sound)

    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(Exception, match=r"(?i)invalid|moov|error"):
        read_video(file)


def test_a_video_as_asked_for_has_no_differences() -> None:
    assert differences(RIGHT, ASKED) == []
    assert differences(RIGHT, {}) == []
    assert differences(RIGHT, {"duration": "5", "aspect_ratio": None, "audio": None}) == []


@pytest.mark.parametrize(
    ("video", "word"),
    [
        ({"codec": "mpeg4"}, "mpeg4"),
        ({"seconds": 5.3}, "5.30 s, not 5 s"),
        ({"seconds": 4.7}, "4.70 s"),
        ({"width": 720, "height": 1280}, "720 x 1280, not 16:9"),
        ({"sound": True}, "nobody asked for"),
    ],
)
def test_each_difference_is_named(video: dict[str, Any], word: str) -> None:
    [difference] = differences(VideoFile(**{**vars(RIGHT), **video}), ASKED)
    assert word in difference


def test_missing_sound_is_a_difference() -> None:
    assert differences(RIGHT, {**ASKED, "audio": True}) == ["it has no sound"]


def test_even_numbers_of_pixels_are_no_difference() -> None:
    assert differences(VideoFile("h264", 5.0, 854, 480, False), ASKED) == []

# SPDX-License-Identifier: Apache-2.0
"""The poster beside a video: there with the extra, absent without, never in the way."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from kling_provider.storage import poster as posters
from kling_provider.storage.poster import make_poster
from tests.unit.storage_stand_ins import (
    Host,
    finished,
    make_video,
    manifest,
    names,
    save,
    whole,
)


def test_the_first_frame_as_a_jpeg_beside_the_video(tmp_path: Path, host: Host) -> None:
    saved = save(finished(host.serve("/a.mp4", whole(make_video()))), tmp_path)
    poster = tmp_path / "red-panda.mp4.jpg"
    assert saved.files[0].poster_file == f"file://{poster}"
    assert saved.manifest.outputs[0].poster == poster.name
    image = Image.open(poster)
    assert (image.format, image.size) == ("JPEG", (96, 64))


@pytest.mark.slow
def test_a_large_video_has_a_small_poster() -> None:
    data = make_poster(io.BytesIO(make_video(0.2, 1920, 1080)))
    assert data is not None
    assert Image.open(io.BytesIO(data)).size == (960, 540)


def test_without_the_extra_there_is_none(tmp_path: Path, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(posters, "find_spec", lambda name: None)
    saved = save(finished(host.serve("/a.mp4", whole(make_video()))), tmp_path)
    assert saved.files[0].poster_file is None
    assert names(tmp_path) == ["red-panda.kling.json", "red-panda.mp4"]


@pytest.mark.parametrize("data", [b"", b"no film at all", make_video()[:2000]])
def test_a_video_that_cannot_be_decoded_is_a_warning(data: bytes, caplog: pytest.LogCaptureFixture) -> None:
    assert make_poster(io.BytesIO(data)) is None
    assert "No poster could be made" in caplog.text


def test_somebody_elses_image_stays(tmp_path: Path, host: Host, caplog: pytest.LogCaptureFixture) -> None:
    image = tmp_path / "red-panda.mp4.jpg"
    image.write_bytes(b"somebody's")
    saved = save(finished(host.serve("/a.mp4", whole(make_video()))), tmp_path)
    assert image.read_bytes() == b"somebody's"
    assert "was not made by this provider" in caplog.text
    assert saved.files[0].poster_file is None
    assert manifest(tmp_path).outputs[0].poster is None  # type: ignore[union-attr]


def test_another_video_in_the_same_place_has_another_poster(tmp_path: Path, host: Host) -> None:
    save(finished(host.serve("/a.mp4", whole(make_video())), id="1"), tmp_path)
    first = (tmp_path / "red-panda.mp4.jpg").read_bytes()
    save(finished(host.serve("/b.mp4", whole(make_video(1, 320, 240))), id="2"), tmp_path)
    second = (tmp_path / "red-panda.mp4.jpg").read_bytes()
    assert first != second
    assert Image.open(io.BytesIO(second)).size == (320, 240)


def test_a_poster_that_cannot_be_written_does_not_fail_the_save(
    tmp_path: Path, host: Host, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "red-panda.mp4.jpg").mkdir()
    saved = save(finished(host.serve("/a.mp4", whole(make_video()))), tmp_path)
    assert (tmp_path / "red-panda.mp4").read_bytes() == make_video()
    assert saved.files[0].poster_file is None

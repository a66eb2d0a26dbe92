# SPDX-License-Identifier: Apache-2.0
"""Whether a video is whole: every cut of a real one is found, at every byte."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_provider.storage.output_types import find_defect
from tests.unit.storage_stand_ins import make_video


def wrong(data: bytes, kind: str = "video") -> str | None:
    return find_defect(kind, io.BytesIO(data), len(data))


def box(kind: bytes, payload: bytes = b"payload") -> bytes:
    return (8 + len(payload)).to_bytes(4, "big") + kind + payload


FTYP, MOOV, MDAT = box(b"ftyp"), box(b"moov"), box(b"mdat")


def test_whole_videos() -> None:
    assert wrong(make_video()) is None
    assert wrong(FTYP + MOOV + MDAT) is None
    assert wrong(FTYP + MDAT + box(b"free", b"") + MOOV + box(b"uuid")) is None
    large = b"\0\0\0\1mdat" + (16 + 5).to_bytes(8, "big") + b"12345"
    assert wrong(FTYP + large + MOOV) is None
    assert wrong(FTYP + MOOV + b"\0\0\0\0mdat to the end of the file") is None


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "empty"),
        (b"<html>login</html>", "no MP4"),
        (b"x", "no MP4"),
        (MOOV + MDAT, "no MP4"),
        (FTYP + MDAT, "without moov"),
        (FTYP, "without moov and mdat"),
        (FTYP + MOOV + box(b"mdat", b""), "without mdat"),
        (FTYP + MOOV + MDAT + b"\0\0", "damaged, at byte 45"),
        (FTYP + MOOV + b"\0\0\0\7mdat" + bytes(20), "damaged"),
        (FTYP + MOOV + b"\0\0\0\1mdat\0\0", "damaged"),
    ],
)
def test_videos_that_are_not_whole(data: bytes, says: str) -> None:
    assert says in str(wrong(data))


@given(st.integers(1, 10**9))
def test_every_cut_is_found(after: int) -> None:
    data = make_video()
    assert wrong(data[: after % len(data)]) is not None


@given(st.binary(max_size=300), st.sampled_from([b"", FTYP, FTYP + MOOV]))
def test_garbage_is_judged_without_a_crash(data: bytes, start: bytes) -> None:
    wrong(start + data)


def test_images_and_sounds() -> None:
    assert wrong(b"\x89PNG\r\n\x1a\n....", "image") is None
    assert wrong(b"\xff\xd8\xff\xe0....", "image") is None
    assert wrong(b"RIFF....WEBPVP8 ", "image") is None
    assert wrong(b"<html>", "image") is not None
    assert wrong(b"ID3....", "audio") is None
    assert wrong(b"\xff\xfb\x90", "audio") is None
    assert wrong(b"\xff", "audio") is not None
    assert wrong(b"<html>", "audio") is not None
    assert wrong(b"anything", "element") is not None
    assert wrong(b"anything", "hologram") is None

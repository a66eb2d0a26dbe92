# SPDX-License-Identifier: Apache-2.0
"""File names: what they are, and that nothing leads out of the destination."""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from airflow.sdk import ObjectStoragePath
from hypothesis import given
from hypothesis import strategies as st

from kling_provider.exceptions import KlingRequestError
from kling_provider.storage import destination_path, file_stem, stem_beside, stem_of_type

FACTS: dict[str, Any] = {
    "name": "red-panda",
    "take": 0,
    "type": "text_to_video",
    "model": "kling-3.0",
    "run_id": "scheduled__2026-11-24T06:00:00+00:00",
    "task_id": "group.video",
    "map_index": 7,
}


def named(template: str = "{name}", **facts: Any) -> str:
    """The file of a video."""
    return f"{file_stem(template, **(FACTS | facts))}.mp4"


@pytest.mark.parametrize(
    ("template", "facts", "expected"),
    [
        ("{name}", {}, "red-panda.mp4"),
        ("{name}", {"name": "animals/red panda"}, "animals/red panda.mp4"),
        ("{name}", {"name": "可灵/小熊猫"}, "可灵/小熊猫.mp4"),
        ("{name}", {"name": None}, "group.video-7.mp4"),
        ("{name}", {"name": "  "}, "group.video-7.mp4"),
        ("{name}", {"name": None, "map_index": -1}, "group.video.mp4"),
        ("{name}", {"take": 2}, "red-panda.take2.mp4"),
        ("{name}.mp4", {"take": 1}, "red-panda.take1.mp4"),
        ("{name}.png", {}, "red-panda.mp4"),
        ("{name}.final", {}, "red-panda.final.mp4"),
        ("{name}.{kling_task_id}", {"kling_task_id": "953"}, "red-panda.953.mp4"),
        ("{name}", {"name": "cafe\u0301"}, "caf\u00e9.mp4"),
        ("{name}", {"name": "a\u202eb\ufeffc"}, "a_b_c.mp4"),
        ("{name}-t{take}", {"take": 1}, "red-panda-t1.mp4"),
        ("{run_id}/{name}", {}, "scheduled__2026-11-24T06_00_00+00_00/red-panda.mp4"),
        ("{type}/{model}/{task_id}-{map_index}", {}, "text_to_video/kling-3.0/group.video-7.mp4"),
        ("{run_id}", {"run_id": "../../etc"}, "_._.._etc.mp4"),
        ("{name}", {"name": "a\\..\\b:c*?\x00\n"}, "a_.._b_c___.mp4"),
        ("{name}", {"name": "./a//b"}, "a/b.mp4"),
        ("{name}", {"name": ".hidden/.a"}, "_hidden/_a.mp4"),
        ("{{{name}}}", {}, "{red-panda}.mp4"),
    ],
)
def test_a_template_becomes_a_file_name(template: str, facts: dict[str, Any], expected: str) -> None:
    assert named(template, **facts) == expected


@pytest.mark.parametrize(
    ("template", "facts", "says"),
    [
        ("{nmae}", {}, "Did you mean 'name'"),
        ("{ds}", {}, "Allowed: {name}, {take}"),
        ("{name.__class__}", {}, "Allowed:"),
        ("{}", {}, "Allowed:"),
        ("{name!r}", {}, "without ! and :"),
        ("{take:03}", {}, "without ! and :"),
        ("{name}.{kling_task_id}", {}, "is not known before the payment"),
        ("{name", {}, "is not a valid template"),
        ("{name}", {"name": "../x"}, "leads out of destination"),
        ("{name}", {"name": "a/ .. /x"}, "leads out of destination"),
        ("a/../{name}", {}, "leads out of destination"),
        ("{name}", {"name": "/etc/passwd"}, "absolute"),
        ("{name}", {"name": "folder/"}, "no name"),
        ("", {}, "no name"),
    ],
)
def test_names_that_are_refused_before_anything_is_paid(
    template: str, facts: dict[str, Any], says: str
) -> None:
    with pytest.raises(KlingRequestError, match="Nothing was sent") as error:
        named(template, **facts)
    assert says in str(error.value)


def test_long_names_are_cut_and_stay_apart() -> None:
    one, two = named(name="可" * 150 + "a"), named(name="可" * 150 + "b", take=3)
    assert one != two
    assert one.endswith(".mp4")
    assert two.endswith(".take3.mp4")
    for name in (one, two):
        assert len(name.encode()) <= 200
    # With all that may follow it, and as a temporary file, it is a name that file systems take.
    stem = stem_beside(stem_of_type(one.removesuffix(".mp4"), "image_to_video" * 2), "mine")
    assert len(f".{stem}.kling.json.part-01234567".encode()) <= 255
    assert len(f"{stem}-99.webp.jpg".encode()) <= 255


def test_what_is_saved_beside_is_named_by_its_identity() -> None:
    computed = "af-855e379cabacc79b17f742c90334744760b4ca24"
    assert stem_beside("a/red-panda", computed) == "a/red-panda.abacc79b"
    marks = {stem_beside("x", own) for own in ("mine", "kling:953", "af-short", "", "\ud800")}
    assert len(marks) == 5
    assert all(re.fullmatch(r"x\.[0-9a-f]{8}", mark) for mark in marks)


parts = st.text(
    alphabet=st.one_of(st.sampled_from("../\\:~ \x00a\u202e可\ud800"), st.characters()), max_size=300
)


@given(
    template=st.one_of(st.just("{name}"), st.just("{run_id}/{name}"), parts),
    name=st.one_of(st.none(), parts),
    run_id=parts,
    take=st.integers(0, 10**6),
)
def test_no_name_leaves_the_destination(template: str, name: str | None, run_id: str, take: int) -> None:
    try:
        path = named(template, name=name, run_id=run_id, take=take)
    except KlingRequestError:
        return
    assert os.path.normpath(f"/destination/{path}") == f"/destination/{path}"
    assert path.endswith(".mp4")
    assert not set(path) & set('\\:*?"<>|#[]\x00\n\r\t\x7f')
    for part in PurePosixPath(path).parts:
        assert part not in ("", ".", "..")
        assert not part.startswith(".")
        assert len(part.encode()) <= 200
    assert path == named(template, name=name, run_id=run_id, take=take)


@pytest.mark.airflow_version
@pytest.mark.parametrize(
    ("destination", "expected"),
    [
        ("/data/videos", "file:///data/videos/a/b.mp4"),
        (" /data/videos/ ", "file:///data/videos/a/b.mp4"),
        ("file:///data/my videos", "file:///data/my videos/a/b.mp4"),
        (Path("/data/videos"), "file:///data/videos/a/b.mp4"),
        (ObjectStoragePath("file:///data/videos"), "file:///data/videos/a/b.mp4"),
    ],
)
def test_destinations(destination: Any, expected: str) -> None:
    path = destination_path(destination) / "a/b.mp4"
    assert str(path) == expected
    assert path.path == expected.removeprefix("file://")


@pytest.mark.airflow_version
@pytest.mark.parametrize(
    ("destination", "says"),
    [
        ("", "is empty"),
        ("videos", "relative path; write an absolute one"),
        ("~/videos", "relative path"),
        ("s3:/bucket/videos", "relative path"),
        ("file://videos/x", "write file:///videos/x"),
        ("https://example.org/videos", "http URL"),
        ("s3://", "name a bucket"),
        ("s3://key:secret@bucket/x", "holds credentials"),
        ("nosuch://bucket/x", "needs a provider that is not installed"),
        ("/data/vid\x00eos", "characters that no path can have"),
        ("/data/\ud83d", "characters that no path can have"),
    ],
)
def test_destinations_that_are_refused(destination: str, says: str) -> None:
    with pytest.raises(KlingRequestError, match="Nothing was sent") as error:
        destination_path(destination)
    assert says in str(error.value)
    assert "secret" not in str(error.value)

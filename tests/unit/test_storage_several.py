# SPDX-License-Identifier: Apache-2.0
"""A task with several outputs, of any type: saved together, found together, and never half."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from kling_provider.api.output_types import MEDIA_TYPES, find_media_type
from kling_provider.api.tasks import KlingTask, Output
from kling_provider.exceptions import KlingRequestError, KlingServerError
from kling_provider.storage import (
    claim_place,
    find_claims,
    find_saved_result,
    read_folder_index,
    stem_of_type,
)
from kling_provider.storage.output_types import FORMATS, expected_suffixes, find_defect, find_suffix
from tests.unit.storage_stand_ins import (
    Host,
    finished,
    make_video,
    names,
    origin,
    place,
    save,
    status,
    whole,
)

pytestmark = pytest.mark.usefixtures("no_pauses")


@pytest.fixture
def host(host: Host) -> Host:
    for path, data in CONTENT.items():
        host.serve(path, whole(data))
    return host


def image(kind: str, side: int = 40) -> bytes:
    target = io.BytesIO()
    Image.new("RGB", (side, 30), "red").save(target, kind)
    return target.getvalue()


CONTENT = {
    "/a.mp4": make_video(),
    "/a.png": image("PNG"),
    "/a.jpg": image("JPEG"),
    "/a.webp": image("WEBP"),
    "/a.mp3": b"ID3" + bytes(200),
    "/a.wav": b"RIFF\x24\0\0\0WAVEfmt " + bytes(200),
    "/a.srt": b"1\n00:00:00,000 --> 00:00:01,000\nHello\n",
    "/a.ass": b"[Script Info]\nTitle: Hello\n",
    "/a.glb": b"glTF" + bytes(200),
    "/nameless": b"something",
    "/page": b"\n<!doctype html><title>Gone</title>",
}


def task(host: Host, *outputs: tuple[str, str | None], id: str = "912345678901234567") -> KlingTask:
    made = [
        Output(kind, id=f"out-{number}", url=f"{host.url}{path}?Signature=s" if path else None)
        for number, (kind, path) in enumerate(outputs)
    ]
    return replace(finished(id=id), outputs=tuple(made))


def find(folder: Path, whose: Any = None) -> Any:
    return find_saved_result(place(folder), "red-panda", whose or origin())


def test_nine_images_are_one_result(tmp_path: Path, host: Host) -> None:
    nine = task(host, *[("image", "/a.png")] * 9)
    saved = save(nine, tmp_path)
    files = [f"red-panda-{number}.png" for number in range(9)]
    assert names(tmp_path) == [*files, "red-panda.kling.json"]
    assert [Path(one.file).name for one in saved.files] == files
    assert {(one.width, one.height, one.bytes) for one in saved.manifest.outputs} == {
        (40, 30, len(CONTENT["/a.png"]))
    }
    assert find(tmp_path) == replace(saved, reused=True)
    assert save(nine, tmp_path).reused
    assert len(host.seen) == 9
    assert read_folder_index(str(tmp_path)).saved == {nine.kling_task_id}


@pytest.mark.parametrize(
    ("output", "file"),
    [
        (("video", "/a.mp4"), "red-panda.mp4"),
        (("subbed_video", "/a.mp4"), "red-panda.mp4"),
        (("image", "/a.png"), "red-panda.png"),
        (("image", "/a.jpg"), "red-panda.jpg"),
        (("model_images", "/a.webp"), "red-panda.webp"),
        (("audio", "/a.mp3"), "red-panda.mp3"),
        (("audio", "/a.wav"), "red-panda.wav"),
        (("voice", "/a.wav"), "red-panda.wav"),
        (("srt", "/a.srt"), "red-panda.srt"),
        (("ass", "/a.ass"), "red-panda.ass"),
        (("mesh", "/a.glb"), "red-panda.glb"),
        (("../sh el/l", "/nameless"), "red-panda.shell"),
    ],
)
def test_the_suffix_is_that_of_what_came(
    tmp_path: Path, host: Host, output: tuple[str, str], file: str
) -> None:
    save(task(host, output), tmp_path)
    assert file in names(tmp_path)
    assert (tmp_path / file).read_bytes() == CONTENT[output[1]]
    assert find(tmp_path) is not None


@pytest.mark.parametrize(
    ("type", "path"), [("image", "/a.mp4"), ("audio", "/a.png"), ("video", "/a.png"), ("srt", "/page")]
)
def test_what_is_something_else_is_not_saved(tmp_path: Path, host: Host, type: str, path: str) -> None:
    with pytest.raises(KlingServerError, match=f"not a whole {type}: it is no"):
        save(task(host, ("video", "/a.mp4"), (type, path)), tmp_path)
    assert names(tmp_path) == []


def test_an_id_in_the_account_is_a_result_without_a_file(tmp_path: Path, host: Host) -> None:
    claim_place(place(tmp_path), "red-panda", origin())
    saved = save(task(host, ("element", None)), tmp_path)
    assert names(tmp_path) == ["red-panda.kling.json"]
    assert [(one.type, one.id, one.file) for one in saved.manifest.outputs] == [("element", "out-0", None)]
    assert saved.files == []
    assert find(tmp_path) is not None
    assert find_claims(str(tmp_path)) == []
    assert read_folder_index(str(tmp_path)).saved == {"912345678901234567"}


def test_an_unknown_output_that_does_not_come_costs_a_line_in_the_log(
    tmp_path: Path, host: Host, caplog: pytest.LogCaptureFixture
) -> None:
    host.serve("/gone", status(404))
    two = task(host, ("video", "/a.mp4"), ("storyboard", "/gone"))
    saved = save(two, tmp_path, refresh=lambda: two)
    assert names(tmp_path) == ["red-panda-0.mp4", "red-panda-0.mp4.jpg", "red-panda.kling.json"]
    assert "is of the type storyboard, which this release does not know" in caplog.text
    assert "Signature" not in caplog.text
    assert [one.file for one in saved.manifest.outputs] == ["red-panda-0.mp4", None]
    assert save(two, tmp_path).reused


@pytest.mark.parametrize("gone", [0, 1, 2])
def test_a_result_that_misses_one_file_is_not_saved_and_that_one_comes_again(
    tmp_path: Path, host: Host, gone: int
) -> None:
    three = task(host, ("image", "/a.png"), ("image", "/a.jpg"), ("audio", "/a.mp3"))
    saved = save(three, tmp_path)
    Path(saved.files[gone].file.removeprefix("file://")).unlink()
    assert find(tmp_path) is None
    assert claim_place(place(tmp_path), "red-panda", origin()) == "red-panda"
    asked = len(host.seen)
    again = save(three, tmp_path)
    assert not again.reused
    assert host.paths[asked:] == [["/a.png", "/a.jpg", "/a.mp3"][gone]]
    assert find(tmp_path) is not None


def test_one_dead_link_brings_fresh_ones_for_all(tmp_path: Path, host: Host) -> None:
    for path in ("/x", "/y"):
        host.serve(path, status(403))
    asked: list[int] = []

    def refresh() -> KlingTask:
        asked.append(1)
        return task(host, ("image", "/a.png"), ("image", "/a.jpg"))

    save(task(host, ("image", "/x"), ("image", "/y")), tmp_path, refresh=refresh)
    assert asked == [1]
    assert names(tmp_path) == ["red-panda-0.png", "red-panda-1.jpg", "red-panda.kling.json"]


def test_fewer_files_replace_more(tmp_path: Path, host: Host) -> None:
    old = origin("af-old", run_id="manual__0")
    save(task(host, *[("image", "/a.png")] * 3, id="old"), tmp_path, origin=old)
    assert claim_place(place(tmp_path), "red-panda", origin(), replace=True) == "red-panda"
    assert find(tmp_path, old) is not None  # until the new one is there
    save(task(host, ("image", "/a.jpg")), tmp_path, replace=True)
    assert [name for name in names(tmp_path) if name.startswith("red-panda.") and "kling" not in name] == [
        "red-panda.jpg"
    ]
    assert not list(tmp_path.glob("red-panda-*"))


def test_a_file_of_others_at_one_of_the_names_stays_and_all_goes_beside(tmp_path: Path, host: Host) -> None:
    (tmp_path / "red-panda-1.jpg").write_bytes(b"somebody's")
    three = task(host, ("image", "/a.png"), ("image", "/a.jpg"), ("image", "/a.webp"))
    with pytest.raises(
        KlingRequestError, match=r"red-panda-1\.jpg exists and was not saved by this provider"
    ):
        save(three, tmp_path)
    assert names(tmp_path) == ["red-panda-1.jpg"]
    save(three, tmp_path, beside=["red-panda.0badcafe"])
    assert names(tmp_path) == [
        "red-panda-1.jpg",
        "red-panda.0badcafe-0.png",
        "red-panda.0badcafe-1.jpg",
        "red-panda.0badcafe-2.webp",
        "red-panda.0badcafe.kling.json",
    ]


def test_a_file_that_appears_while_files_are_put_there_stays(
    tmp_path: Path, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kling_provider.storage import stores

    real = stores.LocalStore.publish_part

    def publish(store: Any, part: Any, path: Any) -> None:
        if path.name == "red-panda-1.png":
            (tmp_path / path.name).write_bytes(b"somebody's")
        real(store, part, path)

    monkeypatch.setattr(stores.LocalStore, "publish_part", publish)
    save(task(host, *[("image", "/a.png")] * 2), tmp_path, beside=["red-panda.0badcafe"])
    assert names(tmp_path) == [
        "red-panda-1.png",
        "red-panda.0badcafe-0.png",
        "red-panda.0badcafe-1.png",
        "red-panda.0badcafe.kling.json",
    ]
    assert (tmp_path / "red-panda-1.png").read_bytes() == b"somebody's"


def test_two_kinds_of_request_have_one_name_each(tmp_path: Path, host: Host) -> None:
    image_origin = origin(
        "af-picture", type="image_generation", task_id="picture", expects=("image",), several=True
    )
    clip = origin("af-clip", type="image_to_video", task_id="clip")
    assert claim_place(place(tmp_path), "cat", image_origin) == "cat"
    assert claim_place(place(tmp_path), "cat", clip) == "cat.image_to_video"
    assert stem_of_type("cat", "image_to_video") == "cat.image_to_video"
    save(task(host, *[("image", "/a.png")] * 2), tmp_path, "cat", origin=image_origin)
    save(task(host, ("video", "/a.mp4"), id="2"), tmp_path, "cat.image_to_video", origin=clip)
    assert names(tmp_path) == [
        "cat-0.png",
        "cat-1.png",
        "cat.image_to_video.kling.json",
        "cat.image_to_video.mp4",
        "cat.image_to_video.mp4.jpg",
        "cat.kling.json",
    ]
    for whose, stem in ((image_origin, "cat"), (clip, "cat.image_to_video")):
        found = find_saved_result(place(tmp_path), "cat", whose)
        assert found is not None
        assert found.path.name == f"{stem}.kling.json"
    # Another run of each goes beside its own kind's.
    later = replace(clip, identity="af-" + "0" * 8 + "c" * 32, run_id="manual__2")
    assert claim_place(place(tmp_path), "cat", later) == "cat.image_to_video.cccccccc"
    # And of another Dag it is refused by the name of its kind.
    with pytest.raises(KlingRequestError, match=r"cat\.image_to_video belongs to another result"):
        claim_place(place(tmp_path), "cat", replace(later, dag_id="trailers"))


@pytest.mark.parametrize("name", ["../panda.mp4", "/etc/passwd", "a/b.mp4", "..", ""])
@pytest.mark.parametrize("field", ["file", "poster"])
def test_a_manifest_that_leads_elsewhere_is_none(tmp_path: Path, host: Host, name: str, field: str) -> None:
    save(task(host, ("image", "/a.png")), tmp_path)
    path = tmp_path / "red-panda.kling.json"
    told = json.loads(path.read_text())
    told["outputs"][0][field] = name
    path.write_text(json.dumps(told))
    assert find(tmp_path) is None
    with pytest.raises(KlingRequestError, match="was not written by this provider"):
        claim_place(place(tmp_path), "red-panda", origin(), replace=True)


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    outputs=st.lists(
        st.sampled_from(
            [
                ("image", "/a.png"),
                ("image", "/a.webp"),
                ("audio", "/a.wav"),
                ("srt", "/a.srt"),
                ("mesh", "/a.glb"),
                ("element", None),
                ("voice", None),
            ]
        ),
        min_size=1,
        max_size=9,
    )
)
def test_whatever_a_task_made_is_saved_and_found(
    outputs: list[tuple[str, str | None]], tmp_path: Path, host: Host
) -> None:
    folder = tmp_path / f"{len(list(tmp_path.iterdir()))}"
    saved = save(task(host, *outputs), folder)
    assert find(folder) == replace(saved, reused=True)
    written = [(folder / str(one.file)).read_bytes() for one in saved.manifest.outputs if one.file]
    assert written == [CONTENT[path] for _, path in outputs if path]
    assert [(one.type, one.file is None) for one in saved.manifest.outputs] == [
        (kind, path is None) for kind, path in outputs
    ]


def test_every_format_has_a_media_type_and_each_type_of_output_is_of_one_family() -> None:
    suffixes = {one.suffix for formats in FORMATS.values() for one in formats}
    assert suffixes == set(MEDIA_TYPES)
    for output_type, formats in FORMATS.items():
        families = {MEDIA_TYPES[one.suffix].partition("/")[0] for one in formats}
        assert {str(find_media_type(output_type)).partition("/")[0]} == families, output_type
    assert (find_media_type("splat"), find_media_type("splat", ".mp4")) == (None, "video/mp4")
    assert find_media_type("video", ".splat") is None


@settings(deadline=None)
@given(st.sampled_from(sorted(FORMATS)), st.binary(max_size=600))
def test_no_bytes_break_the_table(type: str, data: bytes) -> None:
    file = io.BytesIO(data)
    if find_defect(type, file, len(data)) is None:
        assert find_suffix(type, file) in expected_suffixes([type])


@settings(deadline=None)
@given(st.text(max_size=30), st.text(max_size=60))
def test_no_unknown_type_and_no_url_break_a_name(type: str, name: str) -> None:
    suffix = find_suffix(f"?{type}", io.BytesIO(b"x"), f"https://host.example/{name}")
    assert suffix.startswith(".")
    assert suffix[1:].isascii()
    assert suffix[1:].isalnum()

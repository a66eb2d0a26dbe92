# SPDX-License-Identifier: Apache-2.0
"""Outputs of every type: their formats, their words, what of them is told, and which of them are files."""

from __future__ import annotations

import io
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from kling_provider.api.dialects.reading import parse_task
from kling_provider.api.output_facts import list_image_links, list_plain_facts
from kling_provider.api.output_types import (
    MEDIA_TYPES,
    SUFFIXES_OF_TYPES,
    TYPES_WITHOUT_FILES,
    describe_outputs,
    find_family,
    name_output,
)
from kling_provider.api.tasks import Output
from kling_provider.storage.output_types import becomes_file, find_defect
from kling_provider.storage.poster import make_image_poster
from tests.unit.storage_stand_ins import Host, finished, manifest, names, save, whole

#: The words of Kling's reference: types of outputs in both designs, and the kinds of segments of an image.
TYPES = [
    *("video", "image", "audio", "voice", "element", "json", "subtitle"),
    *("product_image", "model_images", "product_video", "subbed_video", "srt", "ass"),
    *("object_seg", "head_seg", "face_seg", "cloth_seg"),
]
FRONT, SIDE = "https://x.example/front.png?sign=s3cr3t", "https://x.example/side.png?sign=s3cr3t"


@pytest.mark.parametrize("output_type", TYPES)
def test_every_type_has_a_format_that_is_served(output_type: str) -> None:
    suffixes = SUFFIXES_OF_TYPES[output_type]
    assert suffixes
    assert all(suffix in MEDIA_TYPES for suffix in suffixes)
    # Bytes that are a page of the host, and no result, are none of them.
    assert find_defect(output_type, io.BytesIO(b"<!doctype html>"), 15)


@pytest.mark.parametrize(
    ("types", "words"),
    [
        (["video"], "video"),
        (["audio"], "sound"),
        (["image"] * 9, "9 images"),
        (["video", "audio"], "1 video and 1 sound"),
        (["image", "image", "audio"], "2 images and 1 sound"),
        (["product_image", "model_images", "model_images", "product_video"],
         "1 product image, 2 model images and 1 product video"),
        (["subbed_video", "srt", "ass"], "1 video with subtitles and 2 files of subtitles"),
        (["face_seg", "face_seg"], "2 masks of the face"),
        (["story_board", "story_board"], "2 story boards"),
        ([], ""),
    ],
)  # fmt: skip
def test_what_a_result_consists_of_in_words(types: list[str], words: str) -> None:
    assert describe_outputs(types) == words


def test_families_are_the_words_of_the_catalog() -> None:
    families = {one: find_family(one) for one in TYPES}
    assert {families[one] for one in ("product_image", "model_images", "face_seg")} == {"image"}
    assert {families[one] for one in ("product_video", "subbed_video")} == {"video"}
    assert {families[one] for one in ("srt", "ass", "subtitle")} == {"subtitle"}
    assert (families["voice"], families["element"], find_family("storyboard")) == (
        "voice",
        "element",
        "storyboard",
    )
    assert name_output("storyboard") == "storyboard"


@pytest.mark.parametrize("output_type", sorted(TYPES_WITHOUT_FILES))
def test_an_id_is_no_file_without_a_link(output_type: str) -> None:
    assert not becomes_file(Output(output_type, id="1"))
    assert becomes_file(Output(output_type, id="1", url="https://x.example/a.mp3"))


@pytest.mark.parametrize(
    ("details", "facts"),
    [
        (None, {}),
        ({"name": "Keeper", "is_contain": True, "frame_index": 4}, {"name": "Keeper", "is_contain": "yes", "frame_index": "4"}),
        ({"faces": [{"face_id": "1"}, {"face_id": "2"}], "masks": []}, {"faces": "2"}),
        ({"url": FRONT, "data": "data:image/png;base64,AAAA", "mask": "A" * 300, "images": [FRONT]}, {}),
        ({"text": "word " * 100}, {"text": ("word " * 100)[:199] + "…"}),
        ({f"n{n}": n for n in range(50)}, {f"n{n}": str(n) for n in range(12)}),
    ],
)  # fmt: skip
def test_facts_hold_no_link_and_no_bytes(details: Any, facts: dict[str, str]) -> None:
    assert list_plain_facts(details) == facts


@pytest.mark.parametrize(
    "item",
    [
        {"element_image_list": {"frontal_image": FRONT, "refer_images": [{"image_url": SIDE}]}},
        {"element_frontal_image": FRONT, "element_refer_list": [{"image_url": SIDE}]},
    ],
)
def test_an_element_has_its_images_in_either_library(item: dict[str, Any]) -> None:
    task = parse_task(
        {
            "task_id": "867",
            "task_status": "succeed",
            "task_result": {"elements": [{"element_id": 321922438904313, "element_name": "Keeper", **item}]},
        }
    )
    (element,) = task.outputs
    assert (element.type, element.id, element.url) == ("element", "321922438904313", None)
    assert list_image_links(element.details) == [FRONT, SIDE]
    assert "s3cr3t" not in repr(task)
    assert not becomes_file(element)


def test_a_trial_sound_that_does_not_come_costs_no_voice(
    tmp_path: Path, host: Host, caplog: pytest.LogCaptureFixture
) -> None:
    gone = host.serve("/trial.mp3", whole(b"<html>gone</html>", "text/html"))
    task = replace(finished(), outputs=(Output("voice", id="v-1", url=gone),))
    result = save(task, tmp_path, refresh=lambda: task)
    assert [(one.type, one.id, one.file) for one in result.manifest.outputs] == [("voice", "v-1", None)]
    assert names(tmp_path) == ["red-panda.kling.json"]
    assert "where the id is what counts" in caplog.text


def make_image(width: int, height: int, mode: str = "RGB", kind: str = "PNG") -> bytes:
    target = io.BytesIO()
    Image.effect_noise((width, height), 80).convert(mode).save(target, kind)
    return target.getvalue()


@pytest.mark.parametrize(
    ("mode", "kind"), [("RGB", "PNG"), ("RGBA", "PNG"), ("RGB", "JPEG"), ("RGB", "WEBP")]
)
def test_a_large_image_has_a_small_poster(mode: str, kind: str) -> None:
    large = make_image(1600, 1200, mode, kind)
    data = make_image_poster(io.BytesIO(large))
    assert data is not None
    poster = Image.open(io.BytesIO(data))
    assert (poster.format, poster.size) == ("JPEG", (960, 720))
    assert len(data) < 512 * 1024


def test_a_small_image_is_its_own_poster() -> None:
    assert make_image_poster(io.BytesIO(make_image(320, 200))) is None


@pytest.mark.parametrize("data", [b"", b"no image", make_image(1200, 900)[:4000]])
def test_an_image_that_cannot_be_decoded_is_a_warning(data: bytes, caplog: pytest.LogCaptureFixture) -> None:
    assert make_image_poster(io.BytesIO(data)) is None
    assert "No poster could be made" in caplog.text


def test_what_is_transparent_is_white() -> None:
    clear = io.BytesIO()
    Image.new("RGBA", (1200, 1200), (0, 0, 0, 0)).save(clear, "PNG")
    poster = make_image_poster(clear)
    assert poster is not None
    assert Image.open(io.BytesIO(poster)).getpixel((5, 5)) == (255, 255, 255)


def test_posters_of_images_lie_beside_them(
    tmp_path: Path, host: Host, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    links = [
        host.serve(f"/{n}.png", whole(make_image(side, side), "image/png"))
        for n, side in enumerate((1200, 100))
    ]
    outputs = tuple(Output("image", id=str(n), url=url) for n, url in enumerate(links))
    save(replace(finished(), outputs=outputs), tmp_path)
    found = manifest(tmp_path)
    assert found is not None
    assert [one.poster for one in found.outputs] == ["red-panda-0.png.jpg", None]
    assert (tmp_path / "red-panda-0.png.jpg").read_bytes()[:3] == b"\xff\xd8\xff"

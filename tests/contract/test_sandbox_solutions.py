# SPDX-License-Identifier: Apache-2.0
"""The solutions: bodies that are taken, one just outside each rule, their reads and lists, and what they make, decoded."""

from __future__ import annotations

import base64
import io
import itertools
import json
import re
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import Any

import av
import pytest
import requests
from PIL import Image

from kling_provider.sandbox import Sandbox
from tests.contract.sandbox_client import TIMEOUT, Client, png, refused

URL = "https://images.example/a.png"
VIDEO = "https://films.example/a.mp4"
STUDIO = "/solutions/e-commerce/goods_studio"
TRY_ON = "/solutions/virtual_try_on"
AGENT = "/solutions/talking_agent"
DUPE = "/solutions/e-commerce/clothing_dupe"
DRAMA = "/solutions/drama_subtitle"
KOLORS = "/v1/images/kolors-virtual-try-on"
Contents = dict[str, list[Any]]
PLAIN: dict[str, tuple[Contents, dict[str, Any]]] = {
    STUDIO: (
        {"ref_image": [URL], "goods_title": ["A kettle"]},
        {"resolution": "720p", "aspect_ratio": "16:9", "duration": 15},
    ),
    TRY_ON: ({"product_image": [URL], "person_image": [URL]}, {}),
    AGENT: ({"avatar_id": ["avatar_mia_female"], "speech_script": ["Tea is ready."]}, {}),
    DUPE: ({"product_info": ["A coat"], "source_video": [VIDEO], "product_image": [URL]}, {}),
    DRAMA: ({"source_video": [VIDEO]}, {}),
}
TEXTS = {"goods_title", "goods_description", "goods_price", "goods_target_audience", "goods_selling_point"}
TEXTS |= {"avatar_id", "speech_script", "product_info"}
GOODS: Contents = {"ref_image": [URL], "goods_title": ["A kettle"]}
VOICE = {"voice_id": "female_warm_rich"}
FACE: Contents = {"avatar_id": [], "avatar_image": [URL]}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(
        time_scale=1, concurrency=500, units=100_000, image_units=100_000, short_side=120
    ) as running:
        yield running


def create(
    client: Client,
    path: str,
    contents: Contents | None = None,
    settings: dict[str, Any] | None = None,
    **options: Any,
) -> requests.Response:
    """Post a plain body with these contents by type and these settings; ``None`` takes a setting out."""
    usual, chosen = PLAIN[path]
    listed = []
    for kind, values in {**usual, **(contents or {})}.items():
        for value in values:
            key = "text" if kind in TEXTS else "voice_id" if kind == "voice" else "url"
            listed.append({"type": kind, **(value if isinstance(value, dict) else {key: value})})
    wanted = {name: value for name, value in {**chosen, **(settings or {})}.items() if value is not None}
    return client.post(path, {"contents": listed, "settings": wanted, "options": options})


def made(client: Client, *arguments: Any, **options: Any) -> str:
    answer = create(client, *arguments, **options)
    assert answer.status_code == 200, answer.text
    data = answer.json()["data"]
    return str(data.get("id") or data["task_id"])


def read(client: Client, task_id: str) -> dict[str, Any]:
    (data,) = client.get(f"/solutions?task_ids={task_id}").json()["data"]
    return dict(data)


def finished(client: Client, *arguments: Any, **options: Any) -> dict[str, Any]:
    task_id = made(client, *arguments, **options)
    client.sandbox.advance(120)
    data = read(client, task_id)
    assert data["status"] in ("succeeded", "succeed"), data
    return data


def failed(client: Client, *arguments: Any) -> str:
    task_id = made(client, *arguments)
    client.sandbox.advance(120)
    data = read(client, task_id)
    assert (data["status"], data["outputs"], data["billing"]) == ("failed", [], [{"amount": "0"}])
    return str(data["message"])


def fetched(url: str) -> requests.Response:
    answer = requests.get(url, timeout=TIMEOUT)
    assert answer.status_code == 200
    return answer


def image_of(url: str) -> Image.Image:
    return Image.open(io.BytesIO(fetched(url).content)).convert("RGB")


def measured(url: str) -> tuple[tuple[int, int], float, float]:
    """Return the size of a video, its seconds, and those of its sound."""
    with av.open(io.BytesIO(fetched(url).content)) as container:
        frames = list(container.decode(video=0))
        seconds = len(frames) / float(container.streams.video[0].average_rate)
        container.seek(0)
        heard = 0.0
        if container.streams.audio:
            heard = sum(frame.samples / frame.sample_rate for frame in container.decode(audio=0))
        return (frames[0].width, frames[0].height), seconds, heard


def coloured(width: int, height: int, kind: str = "PNG") -> str:
    """Base64 of an image of one colour."""
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), (250, 20, 20)).save(buffer, kind)
    return base64.b64encode(buffer.getvalue()).decode()


def sample_image(client: Client, width: int, height: int) -> str:
    return f"{client.sandbox.url}/_sandbox/image.png?w={width}&h={height}"


def sample_video(
    client: Client, seconds: float = 5, width: int = 1280, height: int = 720, more: str = ""
) -> str:
    return f"{client.sandbox.url}/_sandbox/video.mp4?seconds={seconds:g}&w={width}&h={height}{more}"


def terms(number: int, target: str = "Aunt Li") -> list[dict[str, str]]:
    return [{"source": "李姨", "target": target}] * number


MOST = {
    "goods_target_audience": ["x" * 200] * 20,
    "goods_selling_point": ["x" * 500] * 20,
    "goods_price": ["x" * 256],
}


@pytest.mark.parametrize(
    ("path", "contents", "settings"),
    [
        (STUDIO, {}, {}),
        (
            STUDIO,
            {"ref_image": [URL] * 5, "goods_title": ["x" * 200]},
            {"duration": 60, "aspect_ratio": "1:1"},
        ),
        (STUDIO, {"goods_description": ["x" * 2000]}, {"duration": 30, "resolution": "1080p"}),
        (STUDIO, {"ref_image": [coloured(300, 300, "WEBP")]}, {"aspect_ratio": "9:16"}),
        (TRY_ON, {}, {"keep_face": False, "keep_pose": False, "keep_background": True}),
        (AGENT, {"speech_script": ["x" * 2000]}, {}),
        (AGENT, FACE, {**VOICE, "speech_rate": 1.2, "resolution": "1080p", "aspect_ratio": "16:9"}),
        (AGENT, FACE, {"voiceId": "male_energetic_sporty", "speechRate": 0.8, "aspectRatio": "16:9"}),
        (
            AGENT,
            {**GOODS, "ref_image": [URL] * 5, "goods_title": ["x" * 500], **MOST},
            {"allow_polish": True},
        ),
        (AGENT, {}, {"action_prompt": "x" * 2500, "bgm_enabled": True, "speech_rate": 1}),
        (DUPE, {}, {}),
        (DUPE, {"product_info": ["x" * 2500], "product_image": [URL] * 5, "model_image": [URL] * 5}, {}),
        (
            DUPE,
            {"bgm": ["https://sounds.example/a.m4a"], "voice": ["calm_sales_man"]},
            {"resolution": "1080p", "aspect_ratio": "21:9"},
        ),
        (DRAMA, {}, {"target_cps": 10, "target_language": "en", "margin_v": 1, "font_size": 1}),
        (DRAMA, {"glossary": terms(200, "x" * 100)}, {"target_cps": 20, "margin_v": 4096, "font_size": 512}),
        (DRAMA, {"source_video": ["https://films.example/a.mkv"]}, {"margin_v": None}),
    ],
)
def test_bodies_that_are_taken(
    client: Client, path: str, contents: Contents, settings: dict[str, Any]
) -> None:
    task = finished(client, path, contents, settings)
    assert task["outputs"]


@pytest.mark.parametrize(
    ("path", "contents", "settings", "text"),
    [
        (STUDIO, {"ref_image": []}, {}, "Product image is missing. Please upload a product image."),
        (STUDIO, {"ref_image": [URL] * 6}, {}, "At most 5 ref_image items are allowed in contents."),
        (STUDIO, {"goods_title": []}, {}, "goods_title is required."),
        (STUDIO, {"goods_title": ["A", "B"]}, {}, "Only one goods_title item is allowed in contents."),
        (STUDIO, {"goods_title": [" "]}, {}, "content item of type 'goods_title' must have non-blank text"),
        (STUDIO, {"goods_title": ["x" * 201]}, {}, "goods_title exceeds the 200-character limit."),
        (
            STUDIO,
            {"goods_description": ["x" * 2001]},
            {},
            "goods_description exceeds the 2000-character limit.",
        ),
        (STUDIO, {"goods_description": ["A", "B"]}, {}, "Only one goods_description"),
        (STUDIO, {"ref_image": [""]}, {}, "content item of type 'ref_image' must have a non-blank url"),
        (STUDIO, {"prompt": [URL]}, {}, "contents[2].type value 'prompt' is invalid"),
        (STUDIO, {}, {"resolution": None}, "resolution is required."),
        (STUDIO, {}, {"aspect_ratio": None}, "aspect_ratio is required."),
        (STUDIO, {}, {"duration": None}, "duration is required."),
        (STUDIO, {}, {"resolution": "4k"}, "settings.resolution must be one of 720p, 1080p"),
        (STUDIO, {}, {"aspect_ratio": "4:3"}, "settings.aspect_ratio must be one of 9:16, 1:1, 16:9"),
        (STUDIO, {}, {"duration": 16}, "Unsupported duration. Only 15, 30 and 60 seconds are supported."),
        (STUDIO, {}, {"duration": "15"}, "settings.duration must be an integer"),
        (TRY_ON, {"product_image": []}, {}, "product_image is required."),
        (TRY_ON, {"product_image": [URL] * 2}, {}, "Only one product_image item is allowed"),
        (TRY_ON, {"person_image": []}, {}, "person_image is required."),
        (TRY_ON, {"person_image": [URL] * 2}, {}, "Only one person_image item is allowed"),
        (TRY_ON, {"person_image": [coloured(400, 400)]}, {}, "contents[1].url must be a url"),
        (TRY_ON, {}, {"keep_face": "yes"}, "settings.keep_face must be a boolean"),
        (
            AGENT,
            {"avatar_id": []},
            {},
            "Exactly one avatar source is required: provide avatar_image (with voiceId)",
        ),
        (AGENT, {"avatar_image": [URL]}, VOICE, "Exactly one avatar source is required"),
        (AGENT, {"avatar_id": ["avatar_mia_female"] * 2}, {}, "Only one avatar_id item"),
        (AGENT, {"avatar_id": ["avatar_nobody"]}, {}, "Invalid avatar_id."),
        (AGENT, {"avatar_id": ["x" * 129]}, {}, "avatar_id exceeds the 128-character limit."),
        (AGENT, FACE, {}, "voiceId is required when uploading an avatar_image."),
        (AGENT, FACE, {"voice_id": "nobody"}, "Invalid voice_id. Please select a valid voice"),
        (AGENT, {}, VOICE, "voiceId is not supported with avatar_id."),
        (AGENT, {"speech_script": []}, {}, "speech_script is required for single-person videos."),
        (AGENT, {"speech_script": ["x" * 2001]}, {}, "speech_script exceeds the 2000-character limit."),
        (AGENT, {"speech_script": ["A", "B"]}, {}, "Only one speech_script item"),
        (AGENT, {"goods_title": ["A kettle"]}, {}, "ref_image and goods_title are required for goods."),
        (AGENT, {"ref_image": [URL]}, {}, "ref_image and goods_title are required for goods."),
        (AGENT, {"goods_price": ["5"]}, {}, "ref_image and goods_title are required for goods."),
        (AGENT, {**GOODS, "ref_image": [URL] * 6}, {}, "At most 5 ref_image items"),
        (AGENT, {**GOODS, "goods_title": ["x" * 501]}, {}, "goods_title exceeds the 500-character limit."),
        (AGENT, {**GOODS, "goods_price": ["x" * 257]}, {}, "goods_price exceeds the 256-character limit."),
        (AGENT, {**GOODS, "goods_price": ["1", "2"]}, {}, "Only one goods_price item"),
        (AGENT, {**GOODS, "goods_target_audience": ["x" * 201]}, {}, "goods_target_audience exceeds the 200"),
        (AGENT, {**GOODS, "goods_target_audience": ["x"] * 21}, {}, "At most 20 goods_target_audience"),
        (AGENT, {**GOODS, "goods_selling_point": ["x" * 501]}, {}, "goods_selling_point exceeds the 500"),
        (AGENT, {**GOODS, "goods_selling_point": ["x"] * 21}, {}, "At most 20 goods_selling_point"),
        (AGENT, GOODS, {"speech_rate": 1.0}, "Speech rate adjustment not supported in Video Commerce."),
        (AGENT, {}, {"speech_rate": 1.1}, "speech_rate must be one of 0.8, 1.0, 1.2."),
        (AGENT, {}, {"resolution": "4k"}, "settings.resolution must be one of"),
        (AGENT, {}, {"aspect_ratio": "1:1"}, "settings.aspect_ratio must be one of 9:16, 16:9"),
        (AGENT, {}, {"action_prompt": "x" * 2501}, "action_prompt exceeds the 2500-character limit."),
        (AGENT, {}, {"allow_polish": "yes"}, "settings.allow_polish must be a boolean"),
        (AGENT, {}, {"bgmEnabled": 1}, "settings.bgm_enabled must be a boolean"),
        (DUPE, {"product_info": []}, {}, "product_info is required."),
        (DUPE, {"product_info": ["x" * 2501]}, {}, "product_info exceeds the 2500-character limit."),
        (DUPE, {"source_video": []}, {}, "Reference video is missing. Please upload a reference video."),
        (DUPE, {"source_video": [VIDEO] * 2}, {}, "Only one source_video item is allowed in contents."),
        (DUPE, {"source_video": ["AAAA"]}, {}, "contents[1].url must be a url"),
        (DUPE, {"product_image": []}, {}, "product_image is required."),
        (DUPE, {"product_image": [URL] * 6}, {}, "At most 5 product_image items"),
        (DUPE, {"model_image": [URL] * 6}, {}, "At most 5 model_image items"),
        (
            DUPE,
            {"bgm": ["https://sounds.example/a.mp3"] * 2},
            {},
            "Only one bgm item is allowed in contents.",
        ),
        (DUPE, {"bgm": ["AAAA"]}, {}, "url must be a url"),
        (
            DUPE,
            {"voice": ["nobody"]},
            {},
            "Invalid voice_id. Please select a valid voice from the voice library.",
        ),
        (DUPE, {"voice": ["calm_sales_man"] * 2}, {}, "Only one voice item"),
        (DUPE, {}, {"resolution": "480p"}, "settings.resolution must be one of"),
        (DUPE, {}, {"aspect_ratio": "5:4"}, "settings.aspect_ratio must be one of"),
        (DRAMA, {"source_video": []}, {}, "source_video is required."),
        (DRAMA, {"source_video": [VIDEO] * 2}, {}, "Only one source_video item is allowed in contents."),
        (DRAMA, {"glossary": terms(201)}, {}, "Glossary exceeds the limit of 200 entries."),
        (DRAMA, {"glossary": terms(1, "x" * 101)}, {}, "glossary exceeds the 100-character limit."),
        (DRAMA, {"glossary": [{"source": " ", "target": "A"}]}, {}, "must have non-blank source"),
        (DRAMA, {"glossary": [{"source": "A"}]}, {}, "must have non-blank target"),
        (DRAMA, {}, {"target_cps": 9}, "target_cps out of range. Please provide a value between 10 and 20."),
        (DRAMA, {}, {"target_cps": 21}, "target_cps out of range."),
        (DRAMA, {}, {"target_cps": 17.5}, "settings.target_cps must be an integer"),
        (DRAMA, {}, {"target_language": "fr"}, "settings.target_language must be one of en"),
        (DRAMA, {}, {"margin_v": 0}, "margin_v out of range. Please provide a value between 1 and 4096."),
        (DRAMA, {}, {"margin_v": 4097}, "margin_v out of range."),
        (DRAMA, {}, {"font_size": 0}, "font_size out of range. Please provide a value between 1 and 512."),
        (DRAMA, {}, {"font_size": 513}, "font_size out of range."),
    ],
)
def test_bodies_just_outside(
    client: Client, path: str, contents: Contents, settings: dict[str, Any], text: str
) -> None:
    refused(create(client, path, contents, settings), 400, 1201, text)
    assert client.sandbox.stats()["tasks"]["total"] == 0


def test_the_url_of_a_callback_is_short(client: Client) -> None:
    url = "https://hooks.invalid/".ljust(1024, "x")
    assert create(client, AGENT, callback_url=url).status_code == 200
    refused(
        create(client, AGENT, callback_url=url + "x"), 400, 1201, "callback_url exceeds the 1024-character"
    )


def test_images_just_outside(client: Client) -> None:
    for side in (300, 299):
        sent = {"ref_image": [base64.b64encode(png(side, 300)).decode()]}
        if side == 300:
            finished(client, STUDIO, sent)
        else:
            assert failed(client, STUDIO, sent) == "Image pixel is invalid"
    refused(create(client, STUDIO, {"ref_image": [coloured(300, 300, "GIF")]}), 400, 1201, "or webp")
    edge = png(300, 300).ljust(50 * 1024 * 1024, b"\0")
    for sent, status in ((edge, 200), (edge + b"\0", 400)):
        contents = [
            {"type": "ref_image", "url": base64.b64encode(sent).decode()},
            {"type": "goods_title", "text": "A kettle"},
        ]
        body = {"contents": contents, "settings": PLAIN[STUDIO][1]}
        answer = client.call("POST", STUDIO, json=body, timeout=120)  # it is 67 MB of JSON
        assert (answer.status_code, "larger than 50MB" in answer.text) == (status, status == 400)


@pytest.mark.parametrize(
    ("width", "height", "is_good"),
    [(301, 2048, True), (300, 400, False), (1000, 2049, False), (2048, 301, True)],
)
def test_sides_of_images_to_try_on(client: Client, width: int, height: int, is_good: bool) -> None:
    contents = {"person_image": [sample_image(client, width, height)]}
    if is_good:
        (output,) = finished(client, TRY_ON, contents)["outputs"]
        assert image_of(output["url"]).size == (width, height)
    else:
        assert failed(client, TRY_ON, contents) == "Image pixel is invalid"


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ((5, 720, 1280), None),
        ((4.9, 720, 1280), "The duration of the source video"),
        ((180, 720, 1280), None),
        ((181, 720, 1280), "The duration of the source video"),
        ((5, 576, 576), None),
        ((5, 574, 576), "The sides of the source video"),
        ((5, 2160, 3840), None),
        ((5, 2880, 2882), "The sides of the source video"),
        ((5, 1000, 2500), None),
        ((5, 1000, 2510), "The ratio of the source video"),
        ((5, 2000, 1000), None),
        ((5, 2010, 1000), "The ratio of the source video"),
    ],
)
def test_the_video_that_clothes_follow(client: Client, facts: Any, message: str | None) -> None:
    contents = {"source_video": [sample_video(client, *facts)]}
    if message is None:
        finished(client, DUPE, contents)
    else:
        assert failed(client, DUPE, contents).startswith(message)


def test_other_faults_that_only_generation_finds(client: Client) -> None:
    away = "https://films.invalid/a.mp4"
    cases: list[tuple[str, Contents, str]] = [
        (STUDIO, {"ref_image": ["https://images.invalid/a.png"]}, "Something went wrong"),
        (DUPE, {"source_video": [away]}, "Something went wrong"),
        (DUPE, {"source_video": ["https://films.example/a.avi"]}, "The format of the source video"),
        (DUPE, {"bgm": ["https://sounds.example/a.ogg"]}, "The format of bgm"),
        (DRAMA, {"source_video": [away]}, "Something went wrong"),
        (
            DRAMA,
            {"source_video": [sample_video(client, 301)]},
            "The source video exceeds the 300-second duration limit.",
        ),
        (
            DRAMA,
            {"source_video": [sample_video(client, 5, more="&sound=off")]},
            "No valid audio or video track detected in the source video.",
        ),
    ]
    for path, contents, text in cases:
        assert failed(client, path, contents).startswith(text)
    finished(client, DRAMA, {"source_video": [sample_video(client, 300)]})


def test_a_video_of_goods(client: Client) -> None:
    settings = {"aspect_ratio": "1:1", "duration": 15}
    task = finished(
        client, STUDIO, {"ref_image": [coloured(400, 400)]}, settings, watermark={"enabled": True}
    )
    (output,) = task["outputs"]
    assert set(output) == {"type", "url", "watermark_url", "duration"}
    size, seconds, heard = measured(output["url"])
    assert (size, output["type"]) == ((120, 120), "video")
    assert abs(seconds - float(output["duration"])) < 0.05
    assert 15 <= seconds <= 15.1
    assert 14.9 < heard < 15.3
    assert task["billing"] == [{"charge_type": "unit", "amount": "13.5", "package_type": "video"}]
    assert fetched(output["watermark_url"]).content != fetched(output["url"]).content


def test_the_length_of_speech_follows_the_script(client: Client) -> None:
    lengths = []
    for script, settings in (
        ("Hi", {}),
        ("A kettle that whistles when the tea is ready, and " * 2, {}),
        ("A kettle that whistles when the tea is ready, and " * 2, {"speech_rate": 0.8}),
        ("水开了就会吹口哨的水壶,今天特价" * 2, {}),
    ):
        (output,) = finished(client, AGENT, {"speech_script": [script]}, settings)["outputs"]
        size, seconds, heard = measured(output["url"])
        assert size[1] > size[0]
        assert abs(seconds - float(output["duration"])) < 0.05
        assert abs(heard - seconds) < 0.2
        lengths.append(round(seconds))
    assert lengths == [2, 6, 8, 9]


def test_speech_shows_the_avatar(client: Client) -> None:
    contents = {**FACE, "avatar_image": [coloured(400, 400)]}
    (output,) = finished(client, AGENT, contents, {**VOICE, "aspect_ratio": "16:9"})["outputs"]
    with av.open(io.BytesIO(fetched(output["url"]).content)) as container:
        image = next(container.decode(video=0)).to_image()
    red, green, blue = image.getpixel((image.width // 2, image.height // 2))
    assert red > 200
    assert green < 60
    assert blue < 60


def test_clothes_have_three_kinds_of_outputs(client: Client) -> None:
    contents = {
        "product_image": [coloured(400, 400), URL],
        "model_image": [URL] * 2,
        "source_video": [sample_video(client, 6, 720, 1280)],
    }
    task = finished(client, DUPE, contents, watermark_info={"enabled": True})
    outputs = task["outputs"]
    assert [output["type"] for output in outputs] == [
        *["product_image"] * 2,
        *["model_images"] * 2,
        "product_video",
    ]
    assert {frozenset(output) for output in outputs} == {frozenset({"type", "url", "watermark_url"})}
    images = [image_of(output["url"]) for output in outputs[:4]]
    assert {image.size for image in images} == {(720, 1280)}
    assert len({image.resize((16, 16)).tobytes() for image in images}) == 4
    size, seconds, heard = measured(outputs[4]["url"])
    assert size == (120, 214)
    assert 6 <= seconds <= 6.1
    assert heard > 5.9
    assert task["billing"][0]["amount"] == "5.4"
    (image, _, video) = finished(client, DUPE, {}, {"aspect_ratio": "21:9"}, watermark={"enabled": True})[
        "outputs"
    ]
    assert "watermark_url" not in image  # here the option is called watermark_info
    assert image_of(image["url"]).size == (1280, 549)
    assert measured(video["url"])[0] == (280, 120)


SRT = re.compile(
    r"(\d+)\n(\d\d):(\d\d):(\d\d),(\d{3}) --> (\d\d):(\d\d):(\d\d),(\d{3})\n(.+)\n", re.MULTILINE
)


def read_srt(text: str) -> list[tuple[int, float, float, str]]:
    """Return number, start, end and text of each line; the whole file must be such blocks."""
    assert SRT.sub("", text).strip() == ""
    found = []
    for number, *times, words in SRT.findall(text):
        hours, minutes, seconds, parts = times[::4], times[1::4], times[2::4], times[3::4]
        start, end = (
            int(hours[at]) * 3600 + int(minutes[at]) * 60 + int(seconds[at]) + int(parts[at]) / 1000
            for at in (0, 1)
        )
        found.append((int(number), start, end, words))
    return found


def read_ass(text: str) -> tuple[dict[str, str], dict[str, str], list[dict[str, str]]]:
    """Return the info, the style and the lines of a file of SubStation Alpha."""
    sections: dict[str, list[tuple[str, str]]] = {}
    for line in filter(None, text.splitlines()):
        if line.startswith("["):
            sections[line.strip("[]")] = entries = []
        else:
            key, _, value = line.partition(":")
            entries.append((key, value.strip()))
    (_, columns), (_, style) = sections["V4+ Styles"]
    (_, names), *lines = sections["Events"]
    keys = [name.strip() for name in names.split(",")]
    return (
        dict(sections["Script Info"]),
        dict(zip([name.strip() for name in columns.split(",")], style.split(","), strict=True)),
        [dict(zip(keys, line.split(",", len(keys) - 1), strict=True)) for _, line in lines],
    )


@pytest.mark.parametrize(
    ("width", "height", "margin_v", "font_size"), [(1280, 720, "80", "56"), (720, 1280, "340", "60")]
)
def test_a_video_with_subtitles(
    client: Client, width: int, height: int, margin_v: str, font_size: str
) -> None:
    contents = {
        "source_video": [sample_video(client, 12, width, height)],
        "glossary": terms(2, "Aunt Li waits"),
    }
    task = finished(client, DRAMA, contents, {"target_cps": 10})
    video, srt, ass = task["outputs"]
    assert [output["type"] for output in task["outputs"]] == ["subbed_video", "srt", "ass"]
    assert [set(output) for output in task["outputs"]] == [
        {"type", "url", "duration"},
        *[{"type", "url"}] * 2,
    ]
    lines = read_srt(fetched(srt["url"]).text)
    assert [number for number, *_ in lines] == list(range(1, len(lines) + 1))
    assert len(lines) > 5
    assert {words for *_, words in lines} == {"Aunt Li waits"}
    for (_, start, end, words), (_, following, _, _) in itertools.pairwise(lines):
        assert len(words) / (end - start) <= 10.1
        assert end <= following
    assert lines[-1][2] <= 12.1
    info, style, events = read_ass(fetched(ass["url"]).text)
    assert (info["PlayResX"], info["PlayResY"]) == (str(width), str(height))
    assert (style["MarginV"], style["Fontsize"]) == (margin_v, font_size)
    assert [event["Text"] for event in events] == [words for *_, words in lines]
    size, seconds, heard = measured(video["url"])
    assert (size[0] > size[1]) is (width > height)
    assert abs(seconds - float(video["duration"])) < 0.05
    assert heard > 11.5
    assert task["billing"] == [{"charge_type": "unit", "amount": "0.2", "package_type": "video"}]


def test_subtitles_are_in_the_frames_of_the_video(client: Client) -> None:
    """While a line is shown there is more white where it stands than in the source."""
    source = sample_video(client, 5, 1280, 720)
    settings = {"margin_v": 330, "font_size": 120}
    video = finished(client, DRAMA, {"source_video": [source]}, settings)["outputs"][0]

    def count_white(url: str) -> int:
        with av.open(io.BytesIO(fetched(url).content)) as container:
            image = next(container.decode(video=0)).to_image().convert("L")
        band = image.crop((0, image.height // 3, image.width, image.height * 3 // 5))
        return sum(band.histogram()[225:])

    assert count_white(video["url"]) > count_white(source) + 100


def test_a_result_of_the_sandbox_is_a_source(client: Client) -> None:
    task = client.finished(prompt="A boat", duration=7, audio="native")
    url = task["outputs"][0]["url"]
    video = finished(client, DRAMA, {"source_video": [url]})["outputs"][0]
    assert video["duration"] == "7.041"
    assert 7 <= measured(video["url"])[1] <= 7.1
    silent = client.finished(prompt="A boat", audio="off")["outputs"][0]["url"]
    assert failed(client, DRAMA, {"source_video": [silent]}).startswith("No valid audio or video track")


def test_three_words_of_trying_on(client: Client, captures: Path) -> None:
    capture = json.loads((captures / "64_doc_solutions_virtual_try_on.json").read_text())
    request = json.loads(json.dumps(capture["create_request"]))
    request["options"].update({"watermark": {"enabled": True}, "callback_url": "https://hooks.invalid/a"})
    answer = client.post(TRY_ON, request)
    assert answer.status_code == 200, answer.text
    data = answer.json()["data"]
    assert data.pop("message") == ""  # observed on other creates
    assert set(data) == set(capture["create_response"]["data"])
    assert (data["status"], data["external_id"]) == ("submitted", "order-0001")
    client.sandbox.advance(120)
    task = read(client, data["task_id"])
    (shown,) = capture["query_response"]["data"]
    assert set(task) == set(shown)
    assert (task["status"], task["billing"]) == ("succeed", shown["billing"])
    (output,) = task["outputs"]
    assert set(output) == {"type", "url", "watermark_url"}
    assert image_of(output["url"]).size == (768, 1024)
    for word, count in (("succeed", 1), ("succeeded", 0)):
        found = client.post("/solutions", {"filters": [{"key": "status", "values": [word]}]}).json()["data"]
        assert found["count"] == count
    client.sandbox.set_faults([{"kind": "task_fails"}])
    assert failed(client, TRY_ON)


@pytest.mark.parametrize("model", [None, "kolors-virtual-try-on-v1", "kolors-virtual-try-on-v1-5"])
def test_trying_on_in_the_legacy_design(client: Client, model: str | None) -> None:
    body = {
        "human_image": coloured(400, 600),
        "cloth_image": URL,
        "external_task_id": "n1",
        "model_name": model,
    }
    task_id = client.post(KOLORS, body).json()["data"]["task_id"]
    client.sandbox.advance(120)
    data = client.get(f"{KOLORS}/n1").json()["data"]
    assert (data["task_id"], data["task_status"], data["final_unit_deduction"]) == (task_id, "succeed", "8")
    (output,) = data["task_result"]["images"]
    assert set(output) == {"index", "url"}
    image = image_of(output["url"])
    assert image.size == (400, 600)
    assert image.getpixel((200, 300)) == (250, 20, 20)
    assert client.task(task_id)["status"] == "succeeded"
    assert client.get(f"/solutions?task_ids={task_id}").json()["data"] == []
    found = client.post("/tasks", {"filters": [{"key": "product_type", "values": ["try_on"]}]}).json()["data"]
    assert [task["id"] for task in found["result"]] == [task_id]


def test_legacy_bodies_of_trying_on_just_outside(client: Client) -> None:
    body = {"human_image": URL, "cloth_image": URL}
    refused(client.post(KOLORS, {"human_image": URL}), 400, 1201, "cloth_image is required")
    refused(client.post(KOLORS, {"cloth_image": URL}), 400, 1201, "human_image is required")
    refused(client.post(KOLORS, {**body, "model_name": "kolors-v3"}), 400, 1201, "model is not supported")
    webp = {**body, "human_image": coloured(400, 400, "WEBP")}
    refused(client.post(KOLORS, webp), 400, 1201, "human_image must be jpg, jpeg or png")


def test_reads_know_solutions_alone(client: Client) -> None:
    video, solution = client.made(), made(client, STUDIO, external_task_id="n1")
    assert client.get(f"/tasks?task_ids={solution}").json()["data"] == []
    assert client.get("/tasks?external_task_ids=n1").json()["data"] == []
    assert client.post("/tasks", {}).json()["data"]["count"] == 1
    assert client.get(f"/solutions?task_ids={video},{solution}").json()["data"][0]["id"] == solution
    (task,) = client.get("/solutions?external_task_ids=n1,n2").json()["data"]
    assert (task["id"], task["external_id"], task["status"]) == (solution, "n1", "submitted")
    many = ",".join(str(number) for number in range(20))
    assert client.get(f"/solutions?task_ids={many}").json()["data"] == []
    refused(client.get(f"/solutions?task_ids={many},20"), 400, 1201, "cannot exceed 20 in total")
    refused(client.get("/solutions"), 400, 1201, "task_ids or external_task_ids is required")
    both = f"/solutions?task_ids={solution}&external_task_ids=n1"
    refused(client.get(both), 400, 1201, "only one of task_ids and external_task_ids")
    refused(create(client, DRAMA, external_task_id="n1"), 400, 1201, "External_task_id n1 already exists")
    refused(client.create_video(external_id="n1"), 400, 1201, "already exists")


def listed(client: Client, **body: Any) -> list[str]:
    data = client.post("/solutions", body).json()["data"]
    return [task["id"] for task in data.get("result", [])]


def test_the_list_of_solutions(client: Client) -> None:
    assert client.post("/solutions", {}).json()["data"] == {"count": 0, "has_more": False}
    first, second = made(client, STUDIO), made(client, TRY_ON)
    client.sandbox.advance(120)
    third = made(client, AGENT)
    client.made()
    assert listed(client) == [third, second, first]
    assert listed(client, limit=2) == [third, second]
    for limit in (0, -5):
        assert listed(client, limit=limit) == [third]
    assert listed(client, limit=500) == [third, second, first]
    refused(client.post("/solutions", {"limit": 501}), 400, 1201, "limit cannot exceed 500")
    for values, found in (
        (["succeeded"], [first]),
        (["succeed"], [second]),
        (["succeed", "succeeded"], [second, first]),
        (["submitted", "processing"], [third]),
        (["failed"], []),
    ):
        assert listed(client, filters=[{"key": "status", "values": values}]) == found
    wrong = {"filters": [{"key": "product_type", "values": ["video"]}]}
    refused(client.post("/solutions", wrong), 400, 1201, "filters[0].key must be one of status")
    wrong = {"filters": [{"key": "status", "values": ["done"]}]}
    refused(client.post("/solutions", wrong), 400, 1201, "filters[0].values must be of")


def test_the_window_of_the_list(client: Client) -> None:
    first = made(client, STUDIO)
    at = read(client, first)["create_time"]
    assert listed(client, start_time=at, end_time=at + 1) == [first]
    assert listed(client, start_time=at - 5, end_time=at) == []
    assert listed(client, start_time=at + 1) == []
    refused(client.post("/solutions", {"start_time": 5, "end_time": 4}), 400, 1201, "must be before end_time")
    client.sandbox.advance(31 * 86_400)
    assert listed(client) == []
    assert listed(client, start_time=at) == [first]


def test_pages_of_the_list(client: Client) -> None:
    ids = [made(client, path) for path in (STUDIO, AGENT, DUPE, DRAMA, TRY_ON)]
    filters = [{"key": "status", "values": ["submitted", "processing"]}]
    body: dict[str, Any] = {"limit": 2, "filters": filters}
    seen = []
    while True:
        page = client.post("/solutions", body).json()["data"]
        seen += [task["id"] for task in page["result"]]
        if not page["has_more"]:
            break
        body = {"limit": 2, "filters": filters, "cursor": page["next_cursor"], "start_time": 1, "end_time": 2}
    assert seen == ids[::-1]
    others = {**body, "filters": [{"key": "status", "values": ["failed"]}]}
    refused(
        client.post("/solutions", others), 400, 1201, "filters must be those that the cursor was made with"
    )
    refused(client.post("/solutions", {**body, "cursor": "AAAA"}), 400, 1201, "cursor is invalid")


def test_packs_and_places(client: Client) -> None:
    with Sandbox(time_scale=1, concurrency=1) as sandbox:
        client = Client(sandbox)
        for path in (STUDIO, AGENT, DUPE, DRAMA):
            assert create(client, path).status_code == 200
            refused(create(client, path), 429, 1303)
        for _ in range(9):
            assert create(client, TRY_ON).status_code == 200
        refused(create(client, TRY_ON), 429, 1303)
        sandbox.advance(120)
        stats = sandbox.stats()
        assert stats["image_units"]["default"]["spent"] == "72"
        assert stats["units"]["default"]["spent"] == "18.9"  # 13.5 + 2 x 0.4 + 5 x 0.9 + 0.1


def test_a_token_is_no_key_here(client: Client) -> None:
    refused(Client(client.sandbox, key="a.b.c").post(STUDIO, {}), 401, 1002)


class Receiver(BaseHTTPRequestHandler):
    """Keeps the bodies of callbacks."""

    bodies: Queue[dict[str, Any]] = Queue()

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        self.bodies.put(json.loads(self.rfile.read(length)))
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *arguments: Any) -> None:
        """Say nothing."""


def test_subtitles_are_told_at_the_end_alone(client: Client) -> None:
    with HTTPServer(("127.0.0.1", 0), Receiver) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}/"
        states = {}
        for path in (STUDIO, DRAMA):
            task_id = made(client, path, callback_url=url)
            client.sandbox.advance(120)
            first = Receiver.bodies.get(timeout=TIMEOUT)
            states[path] = [first["status"]]
            if first["status"] != "succeeded":
                states[path].append(Receiver.bodies.get(timeout=TIMEOUT)["status"])
            assert first["id"] == task_id
        server.shutdown()
        thread.join()
    assert states == {STUDIO: ["processing", "succeeded"], DRAMA: ["succeeded"]}


def test_the_callback_of_a_solution_has_its_words(client: Client) -> None:
    task_id = made(client, TRY_ON, {}, {}, external_task_id="n1")
    client.sandbox.advance(120)
    app = client.sandbox.app
    task = app.backend.get_task(task_id)
    assert task is not None
    body = app.get_product(task).describe_callback(task, app.backend.clock(), lambda task, name: name)
    assert (body["id"], body["status"], body["external_id"]) == (task_id, "succeed", "n1")

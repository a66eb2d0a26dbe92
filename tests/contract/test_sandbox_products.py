# SPDX-License-Identifier: Apache-2.0
"""A kind of request that the sandbox does not have is one class: here a made-up one, and one that is done at once."""

from __future__ import annotations

import array
import io
import wave
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

import av
import pytest
import requests
from PIL import Image

from kling_provider.sandbox import Sandbox
from kling_provider.sandbox.http.errors import InvalidParameter
from kling_provider.sandbox.http.fields import Fields
from kling_provider.sandbox.media.files import SoundFile
from kling_provider.sandbox.products import Product, RenderedOutput, build_sound_output, find_products
from kling_provider.sandbox.state.tasks import CreateRequest, Dialect, Task
from tests.contract.sandbox_client import TIMEOUT, Client, refused
from tests.support.postcard import Postcard

LINES = {"lines": ["A paper boat", "drifts away"], "look": {"wide": 640, "high": 480}, "bars": 2}


class Speech(Product):
    """Speech that is there when the create is answered, paid by the call from the video pack."""

    name = "speech"
    legacy_path = "/v1/audio/speech"
    answered_at_once = True

    def check_body(self, dialect: Dialect, body: object, *, model: str, lenient: bool) -> CreateRequest:
        fields = Fields(body)
        text = fields.read_text("text")
        if text is None:
            raise InvalidParameter("text is required")
        return CreateRequest(
            dialect=dialect,
            product=self.name,
            model="speech",
            model_name="speech",
            prompt=text,
            body=fields.raw,
        )

    def compute_price(self, request: CreateRequest) -> Decimal:
        return Decimal("0.05")

    def list_outputs(self, task: Task) -> Sequence[RenderedOutput]:
        return [
            build_sound_output(
                task.output_ids[0], SoundFile(seed=task.id, prompt=task.request.prompt, seconds=1)
            )
        ]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(time_scale=1, short_side=144, products=[Postcard(), Speech()]) as running:
        yield running


def units(client: Client) -> tuple[str, str]:
    stats = client.sandbox.stats()
    return stats["units"]["default"]["spent"], stats["image_units"]["default"]["spent"]


def fetched(url: str, content_type: str) -> bytes:
    answer = requests.get(url, timeout=TIMEOUT)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, content_type)
    assert len(answer.content) == int(answer.headers["Content-Length"])
    return answer.content


def image_of(url: str, content_type: str) -> Image.Image:
    image = Image.open(io.BytesIO(fetched(url, content_type)))
    assert image.get_format_mimetype() == content_type
    image.load()
    return image


def levels_of(data: bytes) -> tuple[float, int]:
    """Seconds and the loudest sample (of 32767) of an MP3 or WAV, decoded."""
    samples = array.array("h")
    with av.open(io.BytesIO(data)) as container:
        resampler = av.AudioResampler(format="s16", layout="mono", rate=44_100)
        for frame in container.decode(container.streams.audio[0]):
            for part in resampler.resample(frame):
                samples.frombytes(bytes(part.planes[0])[: part.samples * 2])
    return len(samples) / 44_100, max(map(abs, samples))


def test_every_kind_of_the_package_is_found_by_itself() -> None:
    names = [product.name for product in find_products()]
    assert {"text-to-video", "image-to-video", "omni-video"} <= set(names)
    assert len(names) == len(set(names))


def test_two_images_and_a_sound(client: Client) -> None:
    made = client.post("/postcards/kling-p1", LINES).json()["data"]
    assert "external_id" not in made
    assert client.task(made["id"])["status"] == "submitted"
    assert units(client) == ("0", "0")
    client.sandbox.advance(120)
    task = client.task(made["id"])
    assert [output["type"] for output in task["outputs"]] == ["image", "image", "audio"]
    assert task["billing"] == [{"charge_type": "unit", "amount": "12.5", "package_type": "image"}]
    assert units(client) == ("0", "12.5")
    front, back, sound = task["outputs"]
    images = image_of(front["url"], "image/png"), image_of(back["url"], "image/jpeg")
    assert [image.size for image in images] == [(640, 480), (640, 480)]
    assert (
        images[0].convert("RGB").resize((8, 6)).tobytes() != images[1].convert("RGB").resize((8, 6)).tobytes()
    )
    assert all(len(image.convert("RGB").getcolors(1 << 24) or []) > 100 for image in images), "not blank"
    data = fetched(sound["wav_url"], "audio/wav")
    with wave.open(io.BytesIO(data)) as file:
        assert file.getnframes() == float(sound["wav_duration"]) * file.getframerate() == 2 * 44_100
    assert levels_of(data)[1] > 1000, "not silent"
    seconds, level = levels_of(fetched(sound["mp3_url"], "audio/mpeg"))
    assert float(sound["mp3_duration"]) == 2.0
    assert 2.0 <= seconds < 2.1, "frames of an MP3 are whole"
    assert level > 1000
    packs = client.get("/account/costs?start_time=0&end_time=9999999999999").json()["data"]
    left = {pack["resource_pack_name"]: pack for pack in packs["resource_pack_subscribe_infos"]}
    assert left["Trial-Image-10000Units-9Con-1Months"]["remaining_quantity"] == 9987.5
    assert left["Trial-Video-1000Units-5Con-1Months"]["remaining_quantity"] == 1000


def test_the_same_by_the_legacy_design(client: Client) -> None:
    made = client.post("/v1/general/postcards", LINES).json()["data"]
    assert made["task_info"] == {}
    client.sandbox.advance(120)
    task = client.get(f"/v1/general/postcards/{made['task_id']}").json()["data"]
    result = task["task_result"]
    assert {name: len(entries) for name, entries in result.items()} == {"images": 2, "audios": 1}
    assert [image["index"] for image in result["images"]] == [0, 1]
    assert image_of(result["images"][1]["url"], "image/jpeg").size == (640, 480)
    assert set(result["audios"][0]) == {"id", "url_mp3", "url_wav", "duration_mp3", "duration_wav"}
    assert task["final_unit_deduction"] == "12.5"
    assert [one["task_id"] for one in client.get("/v1/general/postcards").json()["data"]] == [made["task_id"]]
    assert client.get("/v1/videos/text2video").json()["data"] == []
    refused(client.get(f"/v1/videos/text2video/{made['task_id']}"), 400, 1201, "Task not found")
    assert client.task(made["task_id"])["outputs"][0]["type"] == "image"


def test_lists_filter_by_type(client: Client) -> None:
    card = client.post("/postcards/kling-p1", LINES).json()["data"]["id"]
    video = client.made()
    for wanted, found in ((["image"], [card]), (["video"], [video]), (["video", "image"], [video, card])):
        filters = [{"key": "product_type", "values": wanted}]
        data = client.post("/tasks", {"filters": filters}).json()["data"]
        assert [one["id"] for one in data["result"]] == found


def test_its_own_body_is_checked(client: Client) -> None:
    refused(client.post("/postcards/kling-p1", {"lines": ["one"]}), 400, 1201, "lines must be two texts")
    wrong = {**LINES, "look": {"wide": "x"}}
    refused(client.post("/postcards/kling-p1", wrong), 400, 1201, "look.wide must be an integer")
    assert client.sandbox.stats()["tasks"]["total"] == 0


def test_limit_and_units_are_those_of_its_own_packs() -> None:
    with Sandbox(time_scale=1, concurrency=2, units=0, image_units=20, products=[Postcard()]) as sandbox:
        client = Client(sandbox)
        refused(client.create_video(), 429, 1102)
        for _ in range(9):  # a pack of image units has room for nine, whatever the videos have
            assert client.post("/postcards/kling-p1", LINES).status_code == 200
        refused(client.post("/postcards/kling-p1", LINES), 429, 1303)
        assert client.post("/postcards/kling-p2", LINES).status_code == 200
        sandbox.advance(120)
        refused(client.post("/postcards/kling-p1", LINES), 429, 1102)
    with Sandbox(image_units=0, products=[Postcard()]) as sandbox:
        refused(Client(sandbox).post("/postcards/kling-p1", LINES), 429, 1102)


def test_what_is_done_at_once(client: Client) -> None:
    answer = client.post("/v1/audio/speech", {"text": "Hello"}).json()["data"]
    assert (answer["task_status"], "task_info" in answer) == ("succeed", False)
    assert levels_of(fetched(answer["task_result"]["audios"][0]["url_mp3"], "audio/mpeg"))[1] > 1000
    assert (answer["final_unit_deduction"], units(client)) == ("0.05", ("0.05", "0"))
    assert client.get(f"/tasks?task_ids={answer['task_id']}").json()["data"] == []
    assert client.post("/tasks", {}).json()["data"]["count"] == 0
    assert client.get(f"/v1/audio/speech/{answer['task_id']}").status_code == 404
    for _ in range(6):  # it takes no place among the five at once
        assert client.post("/v1/audio/speech", {"text": "Hello"}).status_code == 200
    refused(client.post("/v1/audio/speech", {}), 400, 1201, "text is required")
    assert client.sandbox.stats()["live"] == 0


def test_faults_find_it_by_its_name(client: Client) -> None:
    client.sandbox.set_faults([{"kind": "task_fails", "match": {"product": "postcard"}, "message": "Torn"}])
    card = client.post("/postcards/kling-p1", LINES).json()["data"]["id"]
    video = client.made()
    client.sandbox.advance(120)
    assert (client.task(card)["status"], client.task(card)["message"]) == ("failed", "Torn")
    assert client.task(video)["status"] == "succeeded"
    client.sandbox.set_faults([{"kind": "outputs", "outputs": ["real", {"type": "srt", "url": "real"}]}])
    good = client.post("/postcards/kling-p1", LINES).json()["data"]["id"]
    client.sandbox.advance(120)
    assert [output["type"] for output in client.task(good)["outputs"]] == ["image", "srt"]


def test_the_page_shows_a_new_product(client: Client) -> None:
    client.post("/postcards/kling-p1", LINES)
    client.sandbox.advance(120)
    (shown,) = client.get("/_sandbox/tasks").json()
    assert (shown["product"], shown["summary"]) == ("postcard", "2 images, 1 sound")
    assert [output["type"] for output in shown["outputs"]] == [
        "image/png",
        "image/jpeg",
        "audio/mpeg",
        "audio/wav",
    ]
    assert requests.get(shown["outputs"][3]["url"], timeout=TIMEOUT).content[:4] == b"RIFF"


def test_it_outlives_a_restart(tmp_path: Any) -> None:
    with Sandbox(time_scale=1, state_dir=tmp_path, products=[Postcard()]) as sandbox:
        made = Client(sandbox).post("/postcards/kling-p1", LINES).json()["data"]["id"]
        sandbox.advance(120)
        before = Client(sandbox).task(made)
    with Sandbox(time_scale=1, state_dir=tmp_path, products=[Postcard()]) as sandbox:
        after = Client(sandbox).task(made)
        assert after["billing"] == before["billing"]
        assert image_of(after["outputs"][0]["url"], "image/png").size == (640, 480)


def test_a_gateway_does_not_sell_it() -> None:
    with Sandbox(profile="gateway", products=[Postcard()]) as sandbox:
        assert Client(sandbox, "sk-x", "/kling").post("/v1/general/postcards", LINES).status_code == 404


@pytest.mark.parametrize("name", ["other", "1", "", "../x.png", "%2e%2e"])
def test_a_file_that_a_task_does_not_have(client: Client, name: str) -> None:
    made = client.post("/postcards/kling-p1", LINES).json()["data"]["id"]
    client.sandbox.advance(120)
    url = client.sandbox.app.signer.sign_path(
        client.sandbox.url, f"/files/{made}/{name}", expires=99_999_999_999
    )
    path = url.removeprefix(client.sandbox.url)
    assert client.get(path).status_code in (403, 404)


def test_no_kind_takes_the_name_of_another() -> None:
    with pytest.raises(ValueError, match="two products are called postcard"):
        Sandbox(products=[Postcard(), Postcard()]).start()


@pytest.mark.parametrize(
    "words",
    ["\ud83d half a pair", "竹林里的熊猫 🐼", "a\x00b", "", "x" * 3000],
    ids=["half a pair", "other writing", "a zero", "empty", "no spaces"],
)
def test_media_can_be_made_of_any_text(client: Client, words: str) -> None:
    """JSON can hold half a surrogate pair; fonts and files cannot."""
    made = client.post("/postcards/kling-p1", {**LINES, "lines": [words, words]}).json()["data"]["id"]
    client.sandbox.advance(120)
    front, _, sound = client.task(made)["outputs"]
    assert image_of(front["url"], "image/png").size == (640, 480)
    assert levels_of(fetched(sound["mp3_url"], "audio/mpeg"))[0] >= 2.0
    if words:
        video = client.finished(prompt=words, duration=3)
        assert fetched(video["outputs"][0]["url"], "video/mp4")[4:8] == b"ftyp"

# SPDX-License-Identifier: Apache-2.0
"""What the sandbox takes and what it refuses: as strict as Kling, and as lax where Kling was seen to be lax."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from kling_provider.sandbox import Sandbox
from kling_provider.sandbox.products.models import MODELS
from tests.contract.sandbox_client import Client, png, refused


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(time_scale=1, concurrency=500, units=100_000) as running:
        yield running


def frames(client: Client, *kinds: str, model: str = "kling-3.0", **settings: Any) -> Any:
    contents = [{"type": kind, "url": "https://images.example/a.png"} for kind in kinds]
    return client.post(f"/image-to-video/{model}", {"contents": contents, "settings": settings})


def test_top_level_keys_are_dropped_without_a_word_and_cost_the_default(client: Client) -> None:
    body = {
        "prompt": "x",
        "duration": 10,
        "aspect_ratio": "9:16",
        "external_task_id": "top",
        "model_name": "z",
    }
    created = client.post("/text-to-video/kling-3.0", body)
    assert created.status_code == 200
    assert "external_id" not in created.json()["data"]
    client.sandbox.advance(120)
    task = client.task(created.json()["data"]["id"])
    assert task["outputs"][0]["duration"] == "5.041"
    assert client.get("/tasks?external_task_ids=top").json()["data"] == []


@pytest.mark.parametrize(
    "settings", [{"duration": 0}, {"duration": 1}, {"duration": 20}, {"resolution": "480p"}]
)
def test_a_wrong_length_passes_create_and_fails_at_generation(
    client: Client, settings: dict[str, Any]
) -> None:
    task = client.finished(**settings)
    assert task["status"] == "failed"
    assert task["message"]
    assert task["billing"] == [{"amount": "0"}]


def test_unknown_settings_are_ignored(client: Client) -> None:
    assert (
        client.create_video(model="kling-2.5-turbo", audio="native", multi_shot="what", fps=60).status_code
        == 200
    )
    assert client.create_video(model="kling-3.0-turbo", audio="off").status_code == 200


@pytest.mark.parametrize(
    ("model", "settings", "field"),
    [
        ("kling-3.0", {"duration": "5"}, "settings.duration"),
        ("kling-3.0", {"duration": 5.5}, "settings.duration"),
        ("kling-3.0", {"duration": True}, "settings.duration"),
        ("kling-3.0", {"resolution": "720P"}, "settings.resolution"),
        ("kling-3.0", {"resolution": 720}, "settings.resolution"),
        ("kling-2.6", {"resolution": "4k"}, "settings.resolution"),
        ("kling-3.0-turbo", {"resolution": "4k"}, "settings.resolution"),
        ("kling-4.0-flash", {"resolution": "1080p"}, "settings.resolution"),
        ("kling-3.0", {"aspect_ratio": "21:9"}, "settings.aspect_ratio"),
        ("kling-3.0", {"audio": "on"}, "settings.audio"),
        ("kling-3.0", {"audio": "original"}, "settings.audio"),
        ("kling-3.0", {"multi_shot": "false"}, "settings.multi_shot"),
        ("kling-2.6", {"audio": "native", "resolution": "720p"}, "1080p"),
    ],
)
def test_refused_settings(client: Client, model: str, settings: dict[str, Any], field: str) -> None:
    refused(client.create_video(model=model, **settings), 400, 1201, field)


@pytest.mark.parametrize(
    ("model", "limit"),
    [("kling-3.0", 3072), ("kling-3.0-turbo", 3072), ("kling-2.6", 2500), ("kling-2.5-turbo", 2500)],
)
def test_prompt_limits(client: Client, model: str, limit: int) -> None:
    assert client.create_video("x" * limit, model=model).status_code == 200
    refused(client.create_video("x" * (limit + 1), model=model), 400, 1201, str(limit))


def test_shots_in_the_prompt_must_fill_the_duration(client: Client) -> None:
    shots = "shot 1, 2, a cat; shot 2, 3, a dog;"
    assert client.create_video(shots, duration=5).status_code == 200
    refused(client.create_video(shots, duration=6), 400, 1201, "settings.duration")
    assert client.create_video(shots, duration=6, multi_shot=False).status_code == 200
    for number in (0, 7):
        refused(client.create_video(f"shot {number}, 5, a cat;", duration=5), 400, 1201, "1 to 6 shots")


def test_the_rules_for_frames(client: Client) -> None:
    assert frames(client, "first_frame").status_code == 200
    assert frames(client, "first_frame", "last_frame").status_code == 200
    refused(frames(client, "last_frame"), 400, 1201, "first_frame is required")
    refused(frames(client, "first_frame", "last_frame", model="kling-3.0-turbo"), 400, 1201, "last_frame")
    refused(frames(client, "first_frame", "last_frame", model="kling-2.5-turbo"), 400, 1201, "1080p")
    refused(
        frames(client, "first_frame", "last_frame", model="kling-2.6", resolution="1080p", audio="native"),
        400,
        1201,
    )
    assert frames(client, "first_frame", "image", "video").status_code == 200  # unknown kinds are ignored


def test_elements_are_checked_at_generation(client: Client) -> None:
    contents = [
        {"type": "first_frame", "url": "https://images.example/a.png"},
        {"type": "element", "element_id": "1", "id": "Zhang"},
    ]
    created = client.post("/image-to-video/kling-3.0", {"contents": contents})
    client.sandbox.advance(10)
    assert client.task(created.json()["data"]["id"])["message"] == "Element id not found: 1"


def test_kling_4_takes_no_external_id_and_no_callback(client: Client) -> None:
    for key in ("external_task_id", "callback_url"):
        refused(
            client.create_video(model="kling-4.0", options={key: "http://x"}), 400, 1201, f"options.{key}"
        )
    task = client.finished(model="kling-4.0", duration=30, aspect_ratio="21:9")
    assert (task["status"], task["billing"][0]["amount"]) == ("succeeded", "33.6")


@pytest.mark.parametrize(
    ("value", "works"),
    [
        (base64.b64encode(png(300, 300)).decode(), True),
        ("data:image/png;base64," + base64.b64encode(png(300, 300)).decode(), True),
        ("not base64!", False),
        (base64.b64encode(b"GIF89a" + bytes(40)).decode(), False),
        ("", False),
    ],
)
def test_inline_images(client: Client, value: str, works: bool) -> None:
    answer = client.post("/image-to-video/kling-3.0", {"contents": [{"type": "first_frame", "url": value}]})
    assert answer.status_code == (200 if works else 400)


@pytest.mark.parametrize("size", [(299, 400), (300, 751)])
def test_a_bad_size_is_found_after_create(client: Client, size: tuple[int, int]) -> None:
    image = base64.b64encode(png(*size)).decode()
    created = client.post("/image-to-video/kling-3.0", {"contents": [{"type": "first_frame", "url": image}]})
    client.sandbox.advance(5)
    assert client.task(created.json()["data"]["id"])["message"] == "Image pixel is invalid"


def test_legacy_images_are_raw_base64(client: Client) -> None:
    raw = base64.b64encode(png(400, 300)).decode()
    body = {"model_name": "kling-v3", "image": raw}
    assert client.post("/v1/videos/image2video", body).status_code == 200
    body["image"] = "data:image/png;base64," + raw
    refused(client.post("/v1/videos/image2video", body), 400, 1201, "data:")
    refused(client.post("/v1/videos/image2video", {"model_name": "kling-v3"}), 400, 1201, "image")


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"duration": 5}, "duration must be a string"),
        ({"duration": "2"}, "duration"),
        ({"mode": "fast"}, "mode"),
        ({"sound": True}, "sound"),
        ({"model_name": "kling-v2-5-turbo", "sound": "on"}, "sound"),
        ({"model_name": "kling-v2-6", "sound": "on"}, "mode pro"),
        ({"model_name": "kling-v2-6", "duration": "7"}, "duration"),
        ({"model_name": "kling-v2-6", "mode": "4k"}, "4k"),
        ({"model_name": None}, "The model 'kling-v1' has been discontinued"),
        ({"model_name": None, "model": "kling-v3"}, "The model 'kling-v1' has been discontinued"),
        ({"model_name": "kling-v3-0"}, "model is not supported"),
        ({"cfg_scale": 1.5}, "cfg_scale"),
        ({"negative_prompt": "x" * 2501}, "negative_prompt"),
        ({"prompt": "x" * 2501}, "prompt"),
        ({"aspect_ratio": "4:3"}, "aspect_ratio"),
        ({"camera_control": {"type": "down_back"}}, "is not supported with camera control"),
    ],
)
def test_refused_legacy_bodies(client: Client, fields: dict[str, Any], text: str) -> None:
    refused(client.legacy(**fields), 400, 1201, text)


def test_a_body_that_is_no_json(client: Client) -> None:
    refused(client.call("POST", "/text-to-video/kling-3.0", data=b"{"), 400, 1200)
    refused(client.post("/text-to-video/kling-3.0", [1]), 400, 1201)
    refused(client.post("/text-to-video/kling-3.0", {"prompt": 5}), 400, 1201, "prompt")


def test_ids_of_both_dialects_and_the_path_of_a_legacy_read(client: Client) -> None:
    old = client.legacy(external_task_id="one").json()["data"]["task_id"]
    new = client.made(external_id="two")
    assert [task["id"] for task in client.get(f"/tasks?task_ids={old},404,{new}").json()["data"]] == [
        old,
        new,
    ]
    assert {
        task["external_id"] for task in client.get("/tasks?external_task_ids=two,one").json()["data"]
    } == {
        "one",
        "two",
    }
    for value in (old, "one"):
        assert client.get(f"/v1/videos/text2video/{value}").json()["data"]["task_id"] == old
        refused(client.get(f"/v1/videos/image2video/{value}"), 400, 1201, f"id/external id: {value}")
    refused(client.get("/v1/videos/text2video/nobody"), 400, 1201, "Task not found by id/external id: nobody")
    refused(client.get("/tasks?task_ids=1&external_task_ids=2"), 400, 1201)


def test_a_duplicate_is_refused_over_products_and_after_a_failure(client: Client) -> None:
    client.sandbox.set_faults([{"kind": "task_fails"}])
    task = client.finished(external_id="same")
    assert task["message"] == "Failure to pass the risk control system"
    for answer in (client.create_video(external_id="same"), client.legacy(external_task_id="same")):
        refused(answer, 400, 1201, "External_task_id same already exists")
    assert client.sandbox.stats()["creates"]["answers"] == {"ok": 1, "duplicate": 2}
    assert client.sandbox.stats()["tasks_by_external_id"] == {"same": 1}


def test_the_cursor_list(client: Client) -> None:
    made = [client.made(external_id=f"n{number}") for number in range(5)]
    first = client.post("/tasks", {"limit": 2}).json()["data"]
    assert ([task["id"] for task in first["result"]], first["has_more"]) == (made[:2:-1], True)
    rest = client.post("/tasks", {"cursor": first["next_cursor"]}).json()["data"]
    assert ([task["id"] for task in rest["result"]], rest["has_more"]) == (made[2::-1], False)
    start = client.task(made[2])["create_time"]
    since = client.post("/tasks", {"start_time": str(start)}).json()["data"]["result"]
    assert made[2] in {task["id"] for task in since}
    client.sandbox.advance(120)
    client.made(external_id="fresh")
    done = client.post("/tasks", {"filters": [{"key": "status", "values": ["succeeded", "failed"]}]}).json()
    assert done["data"]["count"] == 5
    both = [{"key": "status", "values": ["succeeded"]}, {"key": "product_type", "values": ["image"]}]
    assert client.post("/tasks", {"filters": both}).json()["data"] == {"count": 0, "has_more": False}
    refused(client.post("/tasks", {"limit": 501}), 400, 1201, "limit")


def test_legacy_pages(client: Client) -> None:
    made = [client.legacy(external_task_id=f"n{number}").json()["data"]["task_id"] for number in range(3)]
    client.made()
    pages = [
        client.get(f"/v1/videos/text2video?pageNum={number}&pageSize=2").json()["data"]
        for number in (1, 2, 3)
    ]
    assert [[task["task_id"] for task in page] for page in pages] == [made[:0:-1], made[:1], []]
    refused(client.get("/v1/videos/text2video?pageSize=501"), 400, 1201, "pageSize")


@pytest.mark.parametrize(
    ("model", "settings", "amount"),
    [
        ("kling-3.0", {"duration": 5, "audio": "off"}, "3"),
        ("kling-3.0", {"duration": 10, "audio": "native", "resolution": "1080p"}, "12"),
        ("kling-3.0", {"duration": 3, "resolution": "4k"}, "9"),
        ("kling-3.0-turbo", {"duration": 3}, "2.4"),
        ("kling-2.6", {"duration": 5}, "1.5"),
        ("kling-2.6", {"duration": 10, "audio": "native", "resolution": "1080p"}, "10"),
        ("kling-2.5-turbo", {"duration": 5, "resolution": "1080p"}, "2.5"),
    ],
)
def test_units_are_taken_at_success(
    client: Client, model: str, settings: dict[str, Any], amount: str
) -> None:
    task_id = client.made(model=model, **settings)
    assert client.sandbox.stats()["units"]["default"]["spent"] == "0"
    client.sandbox.advance(120)
    billing = [{"charge_type": "unit", "amount": amount, "package_type": "video"}]
    assert client.task(task_id)["billing"] == billing
    assert Decimal(client.sandbox.stats()["units"]["default"]["spent"]) == Decimal(amount)


def test_whatever_is_taken_has_a_price(client: Client) -> None:
    taken = 0
    for model in MODELS.values():
        for product in model.products:
            for resolution in ("720p", "1080p", "4k"):
                for audio in ("off", "native", "original"):
                    settings = {"resolution": resolution, "audio": audio}
                    contents = [
                        {"type": "prompt", "text": "x"},
                        {"type": "first_frame", "url": "https://x.example/a"},
                    ]
                    body = {"prompt": "x", "contents": contents, "settings": settings}
                    answer = client.post(f"/{product}/{model.name}", body)
                    assert answer.status_code in (200, 400), answer.text
                    taken += answer.status_code == 200
    for name in ("kling-v3", "kling-v2-6", "kling-v2-5-turbo"):
        for mode in ("std", "pro", "4k"):
            for sound in ("on", "off"):
                answer = client.legacy(model_name=name, mode=mode, sound=sound)
                assert answer.status_code in (200, 400), answer.text
                taken += answer.status_code == 200
    client.sandbox.advance(120)
    stats = client.sandbox.stats()
    assert stats["tasks"]["succeeded"] == taken > 40
    assert Decimal(stats["units"]["default"]["spent"]) > 0

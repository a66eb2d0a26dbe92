# SPDX-License-Identifier: Apache-2.0
"""The sandbox's answers beside what was recorded from the live service: same keys, same types, same words."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kling_provider.sandbox import Sandbox
from kling_provider.sandbox.http.messages import format_amount
from kling_provider.sandbox.products.prices import price_video
from kling_provider.sandbox.state.callbacks import sign_message
from tests.contract.recordings import recorded
from tests.contract.sandbox_client import Client, token

#: Fields that Kling documents since 2026 and that the older recordings cannot have.
LATER_FIELDS = {"final_unit_deduction", "watermark_info", "external_id", "outputs", "billing", "message"}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(time_scale=1, concurrency=100) as running:
        yield running


def shape(value: Any) -> Any:
    """Keys and types of a JSON value."""
    if isinstance(value, dict):
        return {key: shape(part) for key, part in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return type(value)


def same_shape(ours: Any, theirs: Any) -> None:
    """Ours has every key of theirs with the same type, and nothing else but what is documented later."""
    if isinstance(theirs, dict):
        assert isinstance(ours, dict)
        # the sources of some recordings left the request id out
        assert set(theirs) - set(ours) == set(), "missing"
        assert set(ours) - set(theirs) - {"request_id"} <= LATER_FIELDS, "unknown to the recording"
        for key, value in theirs.items():
            same_shape(ours[key], value)
    elif isinstance(theirs, list):
        assert isinstance(ours, list)
        assert bool(ours) == bool(theirs)
        if theirs:
            same_shape(ours[0], theirs[0])
    elif theirs != "…":  # elided by the source
        assert type(ours) is type(theirs), (ours, theirs)


def test_legacy_create_with_an_external_id(client: Client, captures: Path) -> None:
    capture = recorded(captures, "01")["capture"]
    ours = client.post("/v1/videos/text2video", capture["payload"]).json()
    same_shape(ours, capture["response"])
    assert ours["data"]["task_info"] == capture["response"]["data"]["task_info"]
    assert ours["message"] == "SUCCEED"
    assert len(ours["data"]["task_id"]) == len(capture["response"]["data"]["task_id"])


def test_a_retired_model_is_discontinued(client: Client, captures: Path) -> None:
    answer = client.post("/v1/videos/text2video", recorded(captures, "02")["capture"]["payload"])
    assert (
        answer.json()["message"] == "The model 'kling-v1' has been discontinued and is no longer available."
    )
    assert answer.status_code == 400


def test_legacy_image_to_video_from_submitted_to_succeed(client: Client, captures: Path) -> None:
    body = {"model_name": "kling-v3", "prompt": "wave", "image": "https://images.example/a.png"}
    created = client.post("/v1/videos/image2video", body).json()
    same_shape(created, recorded(captures, "03")["response"])
    assert created["data"]["task_info"] == {}
    path = f"/v1/videos/image2video/{created['data']['task_id']}"
    client.sandbox.advance(20)
    processing = client.get(path).json()
    same_shape(processing, recorded(captures, "04")["response"])
    assert processing["data"]["task_status"] == "processing"
    assert processing["data"]["updated_at"] > processing["data"]["created_at"]
    client.sandbox.advance(120)
    done = client.get(path).json()
    same_shape(done, recorded(captures, "05")["response"])
    assert done["data"]["task_status"] == "succeed"
    assert done["data"]["final_unit_deduction"] == "3"


def test_links_die_thirty_days_after_the_last_update(client: Client, captures: Path) -> None:
    theirs = recorded(captures, "05")["response"]["data"]
    assert int(re.search(r"ksTime=(\w+)", theirs["task_result"]["videos"][0]["url"])[1], 16) == (
        theirs["updated_at"] // 1000 + 2_592_000
    )
    task = client.finished()
    expires = int(re.search(r"Expires=(\d+)", task["outputs"][0]["url"])[1])
    assert expires == task["update_time"] // 1000 + 2_592_000


def test_a_failed_task_says_why_only_in_its_status_message(client: Client, captures: Path) -> None:
    client.sandbox.set_faults([{"kind": "task_fails", "message": "Image pixel is invalid"}])
    task_id = client.legacy().json()["data"]["task_id"]
    client.sandbox.advance(120)
    ours = client.get(f"/v1/videos/text2video/{task_id}")
    theirs = recorded(captures, "07")["response"]
    same_shape(ours.json(), theirs)
    assert ours.status_code == 200
    for key in ("task_status", "task_status_msg", "task_result"):
        assert ours.json()["data"][key] == theirs["data"][key]


def test_the_recorded_errors_word_for_word(client: Client, captures: Path) -> None:
    sandbox = client.sandbox
    other_region = sandbox.backend.get_account("other-region").api_key
    jwt = token(sandbox.access_key, sandbox.secret_key)
    taken = "v6-1789956049929"
    client.made(external_id=taken)
    with Sandbox(pack="none") as empty, Sandbox(concurrency=1, time_scale=1) as full:
        Client(full).made()
        seen = [
            client.get("/tasks?task_ids=1", headers={"Authorization": None}),
            Client(sandbox, other_region).get("/account/costs?start_time=1&end_time=2"),
            Client(sandbox, jwt).create_video(),
            Client(sandbox, "nonsense").create_video(),
            Client(sandbox, "nonsense").get("/v1/videos/text2video"),
            Client(empty).create_video(),
            Client(full).create_video(),
            client.create_video(external_id=taken),
            client.get("/tasks?task_ids=" + ",".join(map(str, range(21)))),
            client.get("/tasks"),
            client.get("/v1/videos/text2video/<value>"),
            client.post("/image-to-video/kling-3.0", {"contents": []}),
            client.post("/text-to-video/kling-3.0", {}),
            client.create_video(model="kling-9.0"),
        ]
    ours = {(answer.status_code, answer.json()["code"], answer.json()["message"]) for answer in seen}
    theirs = {
        (error["http"], error["body"]["code"], error["body"]["message"])
        for error in recorded(captures, "08")["errors"]
    }
    assert ours == theirs
    assert all(set(answer.json()) == {"code", "message", "request_id"} for answer in seen)


def test_account_costs_with_and_without_a_pack(client: Client, captures: Path) -> None:
    now = int(time.time() * 1000)
    path = f"/account/costs?start_time={now - 1000_000}&end_time={now + 1000_000}"
    same_shape(client.get(path).json(), recorded(captures, "10")["response"])
    with Sandbox(pack="none") as empty:
        ours = Client(empty).get(path).json()
    theirs = recorded(captures, "09")["response"]
    assert {key: ours[key] for key in theirs} == theirs


def test_empty_lists(client: Client, captures: Path) -> None:
    for number, ours in (
        ("11", client.get("/v1/videos/text2video?pageNum=1&pageSize=1")),
        ("22", client.get("/tasks?task_ids=1")),
        ("23", client.post("/tasks", {"limit": 2})),
    ):
        theirs = recorded(captures, number)["response"]
        assert {key: value for key, value in ours.json().items() if key != "request_id"} == theirs


def test_create_on_the_new_standard(client: Client, captures: Path) -> None:
    body = {"contents": [{"type": "prompt", "text": "a boat"}]}
    ours = client.post("/omni-video/kling-v3-omni", body).json()
    theirs = recorded(captures, "20")["response"]
    assert shape(ours) == shape(theirs)
    same_shape(ours, theirs)
    gateway_copy = recorded(captures, "31")
    again = client.post("/text-to-video/kling-3.0-turbo", gateway_copy["request"]).json()
    assert shape(again) == shape(gateway_copy["response"])


def test_a_task_that_succeeded(client: Client, captures: Path) -> None:
    task_id = client.made(duration=5, resolution="720p", audio="off", multi_shot=False)
    client.sandbox.advance(120)
    ours = client.get(f"/tasks?task_ids={task_id}").json()
    theirs = recorded(captures, "21")["response"]
    for task in theirs["data"]:  # both times are elided in the recording
        task["create_time"] = task["update_time"] = 0
    same_shape(ours, theirs)
    for key in ("status", "message", "billing"):
        assert ours["data"][0][key] == theirs["data"][0][key]
    assert ours["data"][0]["outputs"][0]["duration"] == theirs["data"][0]["outputs"][0]["duration"]


def test_an_unreachable_image_fails_after_create_for_nothing(client: Client, captures: Path) -> None:
    contents = [{"type": "first_frame", "url": "https://unreachable.invalid/a.png"}]
    created = client.post("/image-to-video/kling-3.0", {"contents": contents})
    assert created.status_code == 200
    client.sandbox.advance(10)
    task = client.task(created.json()["data"]["id"])
    theirs = recorded(captures, "24")["task"]
    assert {key: task[key] for key in theirs} == theirs


def test_a_page_of_the_cursor_list(client: Client, captures: Path) -> None:
    for _ in range(2):
        client.made(options={"external_task_id": None})
    ours = client.post("/tasks", {"limit": 1}).json()["data"]
    theirs = recorded(captures, "25")["response"]["data"]
    assert set(ours) == set(theirs)
    assert {key: type(ours[key]) for key in ours} == {key: type(theirs[key]) for key in theirs}
    assert set(ours["result"][0]) | {"external_id"} == set(theirs["result"][0])


def test_the_signature_of_a_callback(captures: Path) -> None:
    vector = recorded(captures, "27")
    made = sign_message(
        vector["secret"], vector["webhook_id"], vector["webhook_timestamp"], vector["raw_body"]
    )
    assert made == vector["expected_signature"]


def test_the_price_of_real_tasks(captures: Path) -> None:
    checked = 0
    for task in recorded(captures, "40")["tasks"]:
        if "settings" not in task:
            continue  # images, voices, avatars: not in the sandbox
        settings, model = task["settings"], task["endpoint"].rsplit("/", 1)[1]
        kind = "native" if model == "kling-3.0-turbo" else "silent"
        price = price_video(model, kind, settings["resolution"], settings["duration"])
        assert format_amount(price) == task["billing"][0]["amount"]
        checked += 1
    assert checked == 2


@pytest.mark.parametrize("number", ["30", "34"])
def test_a_native_gateway(captures: Path, number: str) -> None:
    theirs = recorded(captures, number)["response"]
    with Sandbox(profile="gateway", time_scale=1) as sandbox:
        client = Client(sandbox, "sk-x", "/kling")
        ours = client.legacy().json()
        if number == "30":
            sandbox.advance(20)
            ours = client.get(f"/v1/videos/text2video/{ours['data']['task_id']}").json()
            theirs["data"]["task_status_msg"] = ""  # dropped by that gateway
    same_shape(ours, theirs)


def test_the_request_of_the_dmxapi_page(captures: Path) -> None:
    request = recorded(captures, "36")["request"]
    with Sandbox(profile="gateway") as sandbox:
        answer = Client(sandbox, "sk-x", "/kling").post("/v1/videos/text2video", request)
        assert answer.json()["code"] == 0
        assert Client(sandbox, "sk-x", "/kling").get("/tasks?task_ids=1").status_code == 404


def test_callback_bodies(client: Client, captures: Path) -> None:
    sign = lambda task, name: "http://127.0.0.1/x.mp4"  # noqa: E731
    product = client.sandbox.app.products["text-to-video"]
    client.legacy()
    client.made()
    old, new = client.sandbox.backend.all()
    same_shape(product.describe_callback(old, old.ends, sign), recorded(captures, "06")["body"])
    theirs = json.loads(recorded(captures, "26")["raw_body"])
    ours = product.describe_callback(new, new.created, sign)
    same_shape(ours, theirs)
    assert (ours["status"], ours["outputs"]) == (theirs["status"], theirs["outputs"])

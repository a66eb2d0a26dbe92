# SPDX-License-Identifier: Apache-2.0
"""The sandbox as the other gateways: each beside what was recorded of it, or in what its page says that is different."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from kling_provider.sandbox import Sandbox
from kling_provider.sandbox.endpoints.gateways import GATEWAYS
from kling_provider.sandbox.endpoints.gateways.ids import CROCKFORD, OLD, PUBLIC, TSK, ULID, UUID, IdForm
from kling_provider.sandbox.options import CHOICES
from tests.contract.recordings import compare, recorded
from tests.contract.sandbox_client import Client, refused

PICTURE = "https://images.example/a.png"
TEXT = "/v1/videos/text2video"
OMNI = "/v1/videos/omni-video"
OMNI_BODY = {"model_name": "kling-v3-omni", "prompt": "a boat", "aspect_ratio": "1:1"}
#: What every answer has and a test's data left out.
ENVELOPE = {"message", "request_id"}


@contextmanager
def gateway(shape: str, **options: Any) -> Iterator[Client]:
    """A client of a gateway, below its own prefix."""
    with Sandbox(profile="gateway", shape=shape, time_scale=1, concurrency=50, **options) as sandbox:
        yield Client(sandbox, "sk-x", sandbox.options.path_prefix)


def made(answer: requests.Response) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    return answer.json()


# -- all of them ------------------------------------------------------------------------------------------


def test_every_shape_is_a_gateway() -> None:
    assert set(CHOICES["shape"]) == set(GATEWAYS)


@pytest.mark.parametrize("ids", [PUBLIC, ULID, OLD, TSK, UUID], ids=["public", "ulid", "old", "tsk", "uuid"])
def test_ids_hold_klings(ids: IdForm) -> None:
    seen = set()
    for kling_id in ("955239902876794880", "955239902876794881", "1", "0"):
        public = ids.encode(kling_id)
        assert ids.decode(public) == kling_id
        seen.add((len(public), public[: len(ids.head)]))
        for strange in (public[:-1], public + "0", public.swapcase(), f"x{public}", "", kling_id):
            assert strange == public or ids.decode(strange) is None, strange
    assert len(seen) == 1, "of one length, with one head"


#: Shape -> path and body of a create, path of its read.
CREATES: dict[str, tuple[str, dict[str, Any], str]] = {
    **{
        shape: (TEXT, {"model_name": "kling-v3", "prompt": "a boat"}, TEXT + "/{}")
        for shape in (
            "native",
            "dmxapi",
            "new-api",
            "new-api-video",
            "new-api-plugin",
            "cometapi",
            "kapon",
            "xmsmartlink",
            "crazyrouter",
        )
    },
    "dmxapi-2025": (TEXT, {"model_name": "kling-v1-6", "prompt": "a boat"}, TEXT + "/{}"),
    "aimanyi": (
        "/text-to-video/kling-3.0-turbo",
        {"prompt": "a boat"},
        "/text-to-video/kling-3.0-turbo/{}",
    ),
    "cloudsway": ("/text-to-video/kling-3.0-turbo", {"prompt": "a boat"}, "/tasks?task_ids={}"),
    "tokenhub": ("/text-to-video", {"model": "kling-video-v3", "prompt": "a boat"}, "/tasks/{}"),
    "qianfan": (
        "/videos",
        {"model": "K3.0", "type": "text2video", "model_parameters": {"prompt": "a boat"}},
        "/videos/{}",
    ),
}


def test_all_are_tried() -> None:
    assert set(CREATES) | {"dmxapi-responses"} == set(GATEWAYS)


@pytest.mark.parametrize("shape", CREATES)
def test_faults_and_keys_of_every_gateway(shape: str) -> None:
    """The lost answer, the answer without an id, the unknown word, the error after the create; keys."""
    path, body, read = CREATES[shape]
    with gateway(shape) as client:
        answer = made(client.post(path, body))
        task_id = find_id(answer)
        assert client.get(read.format(task_id)).status_code == 200
        client.sandbox.set_faults([{"kind": "unknown_status", "status": "paused"}])
        client.sandbox.advance(20)
        unknown = client.get(read.format(task_id)).text
        assert '"paused"' in unknown, unknown
        client.sandbox.set_faults([{"kind": "answer_lost_after"}])
        with pytest.raises(requests.RequestException):
            client.post(path, body)
        client.sandbox.set_faults([{"kind": "missing_id"}])
        bare = made(client.post(path, body))
        with pytest.raises(KeyError):
            find_id(bare)
        client.sandbox.set_faults([{"kind": "error_after", "code": 5000}])
        assert client.post(path, body).status_code == 500
        assert len(client.sandbox.backend.all()) == 4
        client.sandbox.set_faults([])
        stranger = Client(client.sandbox, "nonsense", client.sandbox.options.path_prefix)
        assert stranger.post(path, body).status_code == 401
        bare_key = client.call("POST", path, json=body, headers={"Authorization": "sk-x"})
        assert bare_key.status_code == (200 if shape.startswith("dmxapi") else 401)
        missing = client.get(read.format("nobody"))
        assert missing.status_code == (200 if shape in ("cloudsway", "tokenhub") else 400), missing.text


def find_id(payload: dict[str, Any]) -> str:
    data = payload.get("data", payload)
    return data["task_id"] if "task_id" in data else data["id"]


@pytest.mark.parametrize("shape", CREATES)
def test_two_tasks_of_one_external_id(shape: str) -> None:
    """None is known to lock, but the plugin, which passes all on to one account."""
    path, body, _ = CREATES[shape]
    if shape in ("cloudsway", "tokenhub", "aimanyi"):
        body = {**body, "options": {"external_task_id": "mine"}}
    elif shape == "qianfan":
        body = {**body, "model_parameters": {"prompt": "a boat", "external_task_id": "mine"}}
    else:
        body = {**body, "external_task_id": "mine"}
    with gateway(shape) as client:
        made(client.post(path, body))
        again = client.post(path, body)
        assert again.status_code == (400 if shape == "new-api-plugin" else 200)


# -- native words with differences ------------------------------------------------------------------------


def test_cometapi(captures: Path) -> None:
    audio, image = (record["response"] for record in recorded(captures, "56")["records"])
    with gateway("cometapi") as client:
        created = client.legacy().json()
        compare(created, audio)
        omni = client.post(OMNI, OMNI_BODY).json()
        compare(omni, image, free={"task_id"})
        assert omni["data"]["task_info"] == {"external_task_id": None}
        client.sandbox.advance(20)
        path = f"{TEXT}/{created['data']['task_id']}"
        theirs = recorded(captures, "30")["response"]
        compare(client.get(path).json(), theirs)
        assert client.get(path).json()["data"]["task_status"] == theirs["data"]["task_status"]
        assert client.get(TEXT).status_code == 404, "no list"


def test_a_plain_native_gateway(captures: Path) -> None:
    with gateway("native") as client:
        compare(client.legacy().json(), recorded(captures, "34")["response"])


def test_kapon() -> None:
    with gateway("kapon") as client:
        ids = [find_id(client.legacy(external_task_id=name).json()) for name in ("one", "two")]
        assert all(re.fullmatch(f"task_[0-7][{CROCKFORD}]{{25}}", one) for one in ids)
        for asked in (ids[0], "one"):
            data = client.get(f"{TEXT}/{asked}").json()["data"]
            assert (data["task_id"], data["task_info"]) == (ids[0], {"external_task_id": "one"})
        listed = client.get(f"{TEXT}?pageNum=1&pageSize=1").json()["data"]
        assert [one["task_id"] for one in listed] == [ids[1]]
        assert client.get("/v1/videos/image2video").json()["data"] == []
        kling_id = client.sandbox.backend.all()[0].id
        refused(client.get(f"{TEXT}/{kling_id}"), 400, 1201, "Task not found")


def test_xmsmartlink() -> None:
    with gateway("xmsmartlink") as client:
        created = client.legacy().json()
        task_id = created["task_id"]
        assert task_id == created["data"]["task_id"]
        assert task_id.startswith("task_")
        omni = client.post(OMNI, OMNI_BODY).json()
        assert omni == {"code": 0, "message": "SUCCEED", "task_id": omni["task_id"]}
        client.sandbox.advance(120)
        done = client.get(f"{TEXT}/{task_id}").json()
        assert done["task_id"] == done["data"]["task_id"] == task_id
        assert 1e9 < done["data"]["created_at"] < done["data"]["updated_at"] < 1e11, "seconds"
        result = done["data"]["task_result"]
        assert (result["images"], result["videos"][0]["id"]) == (None, "")
        assert client.get(f"{OMNI}/{omni['task_id']}").json()["data"]["task_status"] == "succeed"


def test_crazyrouter() -> None:
    with gateway("crazyrouter") as client:
        created = client.legacy().json()
        task_id, seen = find_id(created), []
        client.sandbox.set_faults([{"kind": "task_fails", "message": "its own words"}])
        bad = find_id(client.legacy().json())
        for seconds in (0, 20, 120):
            client.sandbox.advance(seconds)
            answer = client.get(f"{TEXT}/{task_id}").json()
            seen.append((answer["code"], answer["data"]["status"]))
        assert seen == [("success", "queued"), ("success", "processing"), ("success", "succeeded")]
        assert answer["data"]["url"].startswith(client.sandbox.url)
        failed = client.get(f"{TEXT}/{bad}").json()["data"]
        assert (failed["status"], failed["error"]["message"], failed["url"]) == (
            "failed",
            "its own words",
            "",
        )


# -- the new standard -------------------------------------------------------------------------------------


def test_cloudsway(captures: Path) -> None:
    record = recorded(captures, "31")
    with gateway("cloudsway") as client:
        created = client.post("/text-to-video/kling-3.0-turbo", record["request"]).json()
        compare(created, record["response"])
        assert client.base.endswith("/v1/ai/sandbox/kling/videos")
        (task,) = client.get(f"/tasks?task_ids={created['data']['id']}").json()["data"]
        assert task["status"] == "submitted"
        refused(client.get("/tasks?external_task_ids=mine"), 400, 1201)
        assert client.create_video(model="kling-3.0").status_code == 404


def test_aimanyi() -> None:
    contents = {"contents": [{"type": "prompt", "text": "a boat"}]}
    with gateway("aimanyi") as client:
        ids = [
            find_id(made(client.post("/text-to-video/kling-3.0-turbo", body)))
            for body in ({"prompt": "a boat"}, contents)
        ]
        legacy = find_id(client.legacy().json())
        assert {task.request.prompt for task in client.sandbox.backend.all()[:2]} == {"a boat"}
        client.sandbox.advance(120)
        for path in ("/text-to-video/kling-3.0-turbo", TEXT, OMNI):
            data = client.get(f"{path}/{ids[1]}").json()["data"]
            assert (data["id"], data["status"]) == (ids[1], "succeed"), "a legacy word in a new object"
            assert data["outputs"][0]["type"] == "video"
        assert client.get(f"{OMNI}/{legacy}").json()["data"]["task_status"] == "succeed"
        assert client.get(f"/tasks?task_ids={legacy}").status_code == 404


def test_tokenhub(captures: Path) -> None:
    done, failed, refusal = (record["response"] for record in recorded(captures, "58")["records"])
    invented = {"id", "request_id"}
    with gateway("tokenhub") as client:
        body = {"model": "kling-video-v3", "prompt": "a boat", "settings": {"duration": 10}}
        created = client.post("/text-to-video", body).json()["data"]
        assert isinstance(created, dict)
        path = f"/tasks/{created['id']}"
        assert client.get(path).json()["data"][0]["status"] == "queued"
        assert "tokenhub_usage" not in client.get(path).json()
        client.sandbox.advance(120)
        ours = client.get(path).json()
        compare(ours, done, free=invented)
        assert ours["tokenhub_usage"] == done["tokenhub_usage"]
        assert ours["data"][0]["outputs"][0]["duration"] == done["data"][0]["outputs"][0]["duration"]
        client.sandbox.set_faults([{"kind": "task_fails", "message": "policy violation"}])
        bad = client.post("/text-to-video", body).json()["data"]["id"]
        client.sandbox.advance(120)
        compare(client.get(f"/tasks/{bad}").json(), failed, more={*ENVELOPE, "id", "outputs"})
        client.sandbox.set_faults([{"kind": "moderation"}])
        answer = client.post("/text-to-video", body)
        compare(answer.json(), refusal, more=ENVELOPE, free={"message"})
        assert answer.json()["code"] == refusal["code"]


@pytest.mark.parametrize(
    ("path", "body", "text"),
    [
        ("/text-to-video", {"prompt": "x"}, "model is required"),
        ("/text-to-video", {"model": "kling-3.0", "prompt": "x"}, "model is not supported"),
        ("/text-to-video", {"model": "kling-video-o1", "prompt": "x"}, "model is not supported"),
        ("/omni-video", {"model": "kling-video-v3", "prompt": "x"}, "model is not supported"),
        (
            "/text-to-video",
            {"model": "kling-video-v3-turbo", "prompt": "x", "settings": {"audio": "off"}},
            "audio",
        ),
        (
            "/text-to-video",
            {"model": "kling-video-v3-turbo", "prompt": "x", "settings": {"multi_shot": False}},
            "multi_shot",
        ),
    ],
)
def test_refusals_of_tokenhub(path: str, body: dict[str, Any], text: str) -> None:
    with gateway("tokenhub") as client:
        refused(client.post(path, body), 400, 1201, text)


def test_tokenhub_takes_contents() -> None:
    contents = [{"type": "prompt", "text": "a boat"}]
    with gateway("tokenhub") as client:
        frame = {"type": "first_frame", "url": PICTURE}
        for path, model, given in (
            ("/text-to-video", "kling-video-v2.6", contents),
            ("/omni-video", "kling-video-v3-omni", contents),
            ("/image-to-video", "kling-video-v2.5-turbo", [*contents, frame]),
        ):
            made(client.post(path, {"model": model, "contents": given}))
        assert [task.request.prompt for task in client.sandbox.backend.all()] == ["a boat"] * 3


# -- Qianfan ----------------------------------------------------------------------------------------------


def test_qianfan(captures: Path) -> None:
    _, turbo, native = (record["response"] for record in recorded(captures, "59")["records"])
    more = {*ENVELOPE, "task_info", "task_status_msg", "created_at", "updated_at", "duration"}
    parameters = {
        "contents": [{"type": "prompt", "text": "a boat"}],
        "settings": {"duration": 3, "resolution": "720p"},
    }
    bodies = [
        {"model": "k3.0-turbo", "type": "text2video", "model_parameters": parameters},
        {
            "model": "K3.0",
            "type": "text2video",
            "model_parameters": {"prompt": "x", "mode": "pro", "duration": "6", "sound": "on"},
        },
    ]
    with gateway("qianfan") as client:
        ids = [find_id(made(client.post("/videos", body))) for body in bodies]
        running = client.get(f"/videos/{ids[0]}").json()["data"]
        assert running["task_status"] == "submitted"
        client.sandbox.advance(120)
        for task_id, theirs in zip(ids, (turbo, native), strict=True):
            ours = client.get(f"/videos/{task_id}").json()
            compare(ours, theirs, more=more, free={"task_id"})
            assert ours["data"]["task_status"] == theirs["data"]["task_status"]
        quick = client.get(f"/videos/{ids[0]}").json()
        assert (quick["message"], quick["usage"]) == (turbo["message"], turbo["usage"])
        slow = client.get(f"/videos/{ids[1]}").json()
        assert slow["data"]["usage"] == native["data"]["usage"] == {"credits": 7.2}


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"model": "K3.0", "type": "motion-control", "model_parameters": {}}, "motion-control"),
        ({"model": "K3O", "type": "text2video", "model_parameters": {}}, "text2video"),
        ({"model": "K3.0", "type": "text2video", "prompt": "x"}, "prompt must be one of"),
        ({"model": "K3.0", "type": "text2video", "model_parameters": {"prompt": "x", "mode": "4k"}}, "mode"),
        (
            {"model": "K3.0", "type": "text2video", "model_parameters": {"prompt": "x", "duration": 5}},
            "string",
        ),
    ],
)
def test_refusals_of_qianfan(body: dict[str, Any], text: str) -> None:
    with gateway("qianfan") as client:
        refused(client.post("/videos", body), 400, 1201, text)

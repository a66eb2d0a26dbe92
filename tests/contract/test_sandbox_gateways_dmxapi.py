# SPDX-License-Identifier: Apache-2.0
"""The sandbox as DMXAPI: its responses route in three forms, and the native route of 2025, beside what was recorded."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kling_provider.sandbox import Sandbox
from tests.contract.recordings import compare, recorded
from tests.contract.sandbox_client import TIMEOUT, Client

PICTURE = "https://images.example/a.png"
V26 = {"model": "kling-v2-6-text2video", "input": "a boat", "mode": "pro", "sound": "off", "duration": 5}
V26_IMAGE = {
    "model": "kling-v2-6-image2video",
    "input": "it drifts",
    "image": PICTURE,
    "mode": "pro",
    "duration": 10,
}
V3 = {"model": "kling-v3", "input": "a boat", "mode": "std", "sound": "off", "duration": "5"}
V3_IMAGE = {**V3, "image": PICTURE}
BAILIAN = {
    "model": "kling-v3-video-generation",
    "input": {"prompt": "a boat"},
    "parameters": {"mode": "pro", "duration": 5},
}
SHOTS = [{"index": 1, "prompt": "one", "duration": "2"}, {"index": 2, "prompt": "two", "duration": "3"}]
FORMS = {"v2.6": V26, "v3": V3, "bailian": BAILIAN}
READERS = {
    "kling-v2-6-text2video": "kling-text2video-get",
    "kling-v2-6-image2video": "kling-image2video-get",
    "kling-v3": "kling-v3-get-all",
    "kling-v3-video-generation": "kling-v3-get",
    "kling-v3-omni-video-generation": "kling-v3-get",
}


class Responses(Client):
    """One key at the one route."""

    def ask(self, body: object, **arguments: Any) -> requests.Response:
        return self.call("POST", "/v1/responses", json=body, **arguments)

    def made(self, body: dict[str, Any]) -> str:  # type: ignore[override]
        """The id of a new task."""
        answer = self.ask(body)
        assert answer.status_code == 200, answer.text
        return id_of(answer.json())

    def read(self, body: dict[str, Any], task_id: str) -> requests.Response:
        """The read of a task that a body like this made."""
        stream = {"stream": True} if "v2-6" in body["model"] else {}
        return self.ask({"model": READERS[body["model"]], "input": task_id, **stream})


def said(payload: dict[str, Any]) -> dict[str, Any]:
    """What the text of an answer says."""
    return json.loads(payload["output"][0]["content"][0]["text"])


def id_of(payload: dict[str, Any]) -> str:
    if "data" in payload:
        return payload["data"]["task_id"]
    return said(payload).get("taskId") or said(payload)["task_id"]


def told(answer: requests.Response) -> str:
    """The text of the last object of a stream."""
    assert answer.headers["Content-Type"].startswith("text/event-stream")
    lines = [line.strip() for line in answer.content.decode().split("\n\n") if line.strip()]
    assert all(line.startswith("data: ") for line in lines)
    assert lines[-1] == "data: [DONE]"
    last = json.loads(lines[-2].removeprefix("data: "))
    assert last["response"]["status"] == "completed"
    return last["response"]["output"][0]["content"][0]["text"]


def refused(answer: requests.Response, text: str, code: str = "dmxapi_kling_error_1201") -> None:
    assert answer.status_code == 400, answer.text
    assert set(answer.json()) == {"error"}
    assert answer.json()["error"]["code"] == code
    assert text in answer.json()["error"]["message"], answer.text


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    options: dict[str, Any] = {
        "shape": "dmxapi-responses",
        "time_scale": 1,
        "concurrency": 500,
        "short_side": 144,
    }
    with Sandbox(profile="gateway", **options) as running:
        yield running


@pytest.fixture
def client(sandbox: Sandbox) -> Responses:
    sandbox.reset()
    return Responses(sandbox, "sk-x")


# -- beside the recordings --------------------------------------------------------------------------------


@pytest.mark.parametrize("number", ["50", "52", "53"])
def test_every_recorded_create(number: str, client: Responses, captures: Path) -> None:
    """Forms of ids and texts, and the price as tokens."""
    for record in recorded(captures, number)["records"]:
        body = json.loads(json.dumps(record["request"]).replace("<raw base64 or URL>", PICTURE))
        ours, theirs = client.ask(body), record["response"]
        assert ours.status_code == 200, ours.text
        compare(ours.json(), theirs)
        assert ours.json()["usage"] == theirs["usage"]
        if number == "50":
            assert ours.json()["request_id"] == id_of(ours.json()), "one id for task and request"


def test_every_recorded_read_of_v3(client: Responses, captures: Path) -> None:
    for record in recorded(captures, "51")["records"]:
        theirs = record["text_parsed"]
        (video,) = theirs["data"]["task_result"]["videos"]
        seconds = str(int(float(video["duration"])))
        body = {**V3, "duration": seconds, "watermark_info": {"enabled": "watermark_url" in video}}
        body |= {"mode": "4k"} if seconds == "3" else {"mode": "pro", "sound": "on"}
        task_id = client.made(body)
        client.sandbox.advance(120)
        ours = client.read(body, task_id).json()
        compare(ours, record["response"])
        assert ours["usage"] == record["response"]["usage"]
        assert said(ours)["request_id"] == ours["request_id"]
        for key in ("task_status", "task_info", "task_status_msg", "final_unit_deduction"):
            assert said(ours)["data"][key] == theirs["data"][key]
        assert said(ours)["data"]["task_result"]["videos"][0]["duration"] == video["duration"]


def test_the_stream_of_v26(client: Responses, captures: Path) -> None:
    """Only its shape is known: the lines of id, link and seconds in the last object."""
    (record,) = recorded(captures, "52")["records_query_text"]
    task_id = client.made(V26)
    assert "http" not in told(client.read(V26, task_id)), "the stream is complete, the video is not"
    client.sandbox.advance(120)
    for text in (
        told(client.read(V26, task_id)),
        record["sse_final"]["response"]["output"][0]["content"][0]["text"],
    ):
        found = re.search(r"任务ID: (\d{18})\s[\s\S]*?(https?://\S+\.mp4\?\S+)[\s\S]*?时长: ([\d.]+)", text)
        assert found is not None, text
        assert found[3] == "5.041"
    assert task_id in told(client.read(V26, task_id))


def test_the_link_of_a_stream_has_a_video(client: Responses) -> None:
    task_id = client.made(V26)
    client.sandbox.advance(120)
    url = re.search(r"http\S+\.mp4\S*", told(client.read(V26, task_id)))
    assert url is not None
    assert requests.head(url[0], timeout=TIMEOUT).status_code == 200


# -- the three forms --------------------------------------------------------------------------------------


def test_states_of_bailian(client: Responses) -> None:
    watched = {**BAILIAN, "parameters": {"watermark": True}}
    task_id = client.made(watched)
    seen = []
    for seconds in (0, 20, 120):
        client.sandbox.advance(seconds)
        answer = client.read(watched, task_id).json()
        assert answer["usage"]["total_tokens"] == 0
        seen.append(said(answer))
    assert [one["task_status"] for one in seen] == ["PENDING", "RUNNING", "SUCCEEDED"]
    assert set(seen[0]) == {"task_id", "task_status"}
    assert set(seen[2]) == {"task_id", "task_status", "video_url", "watermark_video_url"}
    client.sandbox.advance(86_400)
    assert said(client.read(watched, task_id).json())["task_status"] == "UNKNOWN", "its id lives 24 hours"


def test_a_failed_task_of_each_form(client: Responses) -> None:
    client.sandbox.set_faults([{"kind": "task_fails", "message": "its own words"}])
    ids = {name: client.made(body) for name, body in FORMS.items()}
    client.sandbox.advance(120)
    assert "its own words" in told(client.read(V26, ids["v2.6"]))
    data = said(client.read(V3, ids["v3"]).json())["data"]
    assert (data["task_status"], data["task_status_msg"]) == ("failed", "its own words")
    bailian = said(client.read(BAILIAN, ids["bailian"]).json())
    assert (bailian["task_status"], bailian["message"]) == ("FAILED", "its own words")


def test_what_a_body_means(client: Responses) -> None:
    """Defaults of the pages, and which kind of video it is."""
    bodies: list[tuple[dict[str, Any], str, str, int, str, bool]] = [
        ({"model": V26["model"], "input": "x"}, "text-to-video", "kling-2.6", 5, "720p", False),
        (V26_IMAGE, "image-to-video", "kling-2.6", 10, "1080p", True),
        ({"model": "kling-v3", "input": "x"}, "text-to-video", "kling-3.0", 5, "720p", False),
        (
            {"model": "kling-v3", "input": "", "image_tail": PICTURE},
            "image-to-video",
            "kling-3.0",
            5,
            "720p",
            False,
        ),
        ({**BAILIAN, "parameters": {}}, "text-to-video", "kling-3.0", 5, "1080p", False),
        (
            {
                "model": "kling-v3-omni-video-generation",
                "input": {"prompt": "x", "media": [{"type": "first_frame", "url": PICTURE}]},
                "parameters": {"audio": True, "duration": 15, "mode": "std"},
            },
            "omni-video",
            "kling-3.0-omni",
            15,
            "720p",
            True,
        ),
    ]
    for body, product, model, seconds, resolution, sound in bodies:
        assert client.ask(body).status_code == 200, client.ask(body).text
        request = client.sandbox.backend.all()[-1].request
        settings = [request.settings[name] for name in ("duration", "resolution", "sound")]
        assert (request.product, request.model, *settings) == (product, model, seconds, resolution, sound)
        assert (request.model_name, request.body) == (body["model"], body)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({**V26, "duration": "5"}, "duration must be an integer"),
        ({**V26, "duration": 7}, "duration must be one of 5, 10"),
        ({**V26, "image": PICTURE}, "image is not a field"),
        ({**V26, "external_task_id": "mine"}, "external_task_id is not a field"),
        ({**V26, "prompt": "x"}, "prompt is not a field"),
        ({**V26, "stream": True}, "stream is not a field"),
        ({**V26, "sound": "on", "mode": "std"}, "sound requires mode pro"),
        ({**V26_IMAGE, "voice_list": [{"voice_id": "1"}]}, "voice_list[0].voice_id is not a field"),
        ({**V26_IMAGE, "voice_list": [{"voiceId": "1"}] * 3}, "voice_list"),
        ({"model": V26["model"]}, "input is required"),
        ({**V3, "duration": 5}, "duration must be a string"),
        ({**V3, "duration": "2"}, "3 to 15"),
        ({**V3, "mode": "720p"}, "mode must be one of"),
        ({**V3, "cfg_scale": "1"}, "cfg_scale must be a number"),
        ({**V3, "callback_url": "http://127.0.0.1:9/x"}, "callback_url is not a field"),
        ({**V3, "external_task_id": "mine"}, "external_task_id is not a field"),
        ({**V3, "model_name": "kling-v3"}, "model_name is not a field"),
        ({**V3_IMAGE, "aspect_ratio": "1:1"}, "aspect_ratio is not a field"),
        ({**V3_IMAGE, "image": "data:image/png;base64,AAAA"}, "raw base64"),
        ({**V3, "watermark_info": {"on": True}}, "watermark_info.on is not a field"),
        ({**V3, "multi_shot": True, "multi_prompt": SHOTS}, "shot_type is required"),
        ({**V3, "multi_shot": True, "shot_type": "customize"}, "1 to 6 shots"),
        (
            {**V3, "multi_shot": True, "shot_type": "customize", "multi_prompt": SHOTS, "duration": "6"},
            "add up to 6",
        ),
        ({**V3, "multi_shot": True, "shot_type": "customize", "input": SHOTS}, "multi_prompt"),
        ({**V3_IMAGE, "multi_shot": True, "shot_type": "customize", "multi_prompt": SHOTS}, "not a field"),
        ({**V3, "element_list": [{"element_id": 1}] * 4}, "at most 3"),
        ({**V3, "element_list": [{"element_id": 1}], "voice_list": [{"voice_id": "1"}]}, "together"),
        ({**BAILIAN, "input": "a boat"}, "input must be an object"),
        ({**BAILIAN, "parameters": {"duration": "5"}}, "parameters.duration must be an integer"),
        ({**BAILIAN, "parameters": {"duration": 16}}, "between 3 and 15"),
        ({**BAILIAN, "parameters": {"mode": "4k"}}, "parameters.mode"),
        ({**BAILIAN, "parameters": {"audio": "on"}}, "parameters.audio must be a boolean"),
        ({**BAILIAN, "parameters": {"sound": "on"}}, "parameters.sound is not a field"),
        (
            {**BAILIAN, "input": {"prompt": "x", "media": [{"type": "last_frame", "url": PICTURE}]}},
            "first_frame",
        ),
        (
            {**BAILIAN, "input": {"prompt": "x", "media": [{"type": "first_frame", "url": "AAAA"}]}},
            "must be a url",
        ),
        ({**BAILIAN, "input": {"prompt": ""}}, "prompt is required"),
        ({**BAILIAN, "callback_url": "x"}, "callback_url is not a field"),
        ({"input": "x"}, "model is required"),
        ([], "must be an object"),
    ],
)
def test_what_the_pages_do_not_name_is_refused(body: object, text: str, client: Responses) -> None:
    refused(client.ask(body), text)
    assert client.sandbox.backend.all() == []


def test_no_channel_for_a_model(client: Responses) -> None:
    for model in ("kling-v9", "kling-3.0", 5, ["kling-v3"]):
        answer = client.ask({"model": model, "input": "x"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "model_not_found")


def test_a_body_that_is_no_json(client: Responses) -> None:
    refused(client.call("POST", "/v1/responses", data=b"{"), "JSON", "dmxapi_kling_error_1200")


LEAVES = (
    st.none() | st.booleans() | st.integers(-9, 99) | st.sampled_from(["", "5", "customize", "on", PICTURE])
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["index", "prompt", "duration", "element_id", "type", "url", "media", "mode", "enabled"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=6,
)
NAMES = ["input", "duration", "mode", "multi_shot", "shot_type", "multi_prompt", "element_list", "voice_list"]
NAMES += ["image", "parameters", "watermark_info", "stream", "cfg_scale", "sound"]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    base=st.sampled_from([{}, V26, V26_IMAGE, V3, V3_IMAGE, BAILIAN, {"input": "1"}]),
    model=st.none() | st.sampled_from([*READERS, *READERS.values()]) | VALUES,
    changes=st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=3),
)
def test_any_body_is_answered(
    base: dict[str, Any], model: Any, changes: dict[str, Any], client: Responses
) -> None:
    """Made, refused or without a channel; never a bug."""
    client.sandbox.reset()
    body = {**base, **changes, **({} if model is None else {"model": model})}
    answer = client.ask(body)
    assert answer.status_code in (200, 400, 503), answer.text
    is_read = isinstance(model, str) and model in READERS.values()
    made = answer.status_code == 200 and not is_read
    assert len(client.sandbox.backend.all()) == made


@pytest.mark.parametrize("name", FORMS)
def test_ids_are_good_at_their_own_reader_alone(name: str, client: Responses) -> None:
    task_id = client.made(FORMS[name])
    (kling,) = client.sandbox.backend.all()
    assert (kling.id == task_id) == (name == "v2.6")
    for model, reader in READERS.items():
        body = {"model": reader, "input": task_id, **({"stream": True} if "v2-6" in model else {})}
        answer = client.ask(body)
        if model in (FORMS[name]["model"], "kling-v3-omni-video-generation" if name == "bailian" else ""):
            assert answer.status_code == 200, answer.text
        else:
            refused(answer, "Task not found")
    if name == "v2.6":
        return
    for strange in (kling.id, task_id[:-1] + ("0" if task_id[-1] != "0" else "1"), ""):
        answer = client.read(FORMS[name], strange)
        if answer.status_code == 200:  # Bailian has a state for it
            assert said(answer.json())["task_status"] == "UNKNOWN"
        else:
            refused(answer, "input must be the id of a task" if not strange else "Task not found")


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"model": "kling-text2video-get", "input": "1"}, "stream must be true"),
        ({"model": "kling-v3-get-all", "input": 5}, "input must be the id"),
        ({"model": "kling-v3-get-all", "input": "tsk-x", "stream": True}, "stream is not a field"),
        ({"model": "kling-v3-get"}, "input must be the id"),
    ],
)
def test_bad_reads(body: dict[str, Any], text: str, client: Responses) -> None:
    refused(client.ask(body), text)


# -- the route itself -------------------------------------------------------------------------------------


def test_both_spellings_of_the_key(client: Responses) -> None:
    for header in ("sk-x", "Bearer sk-x"):
        assert client.ask(V3, headers={"Authorization": header}).status_code == 200
    for header in (None, "", "nonsense", "Bearer", "Bearer nonsense", "Basic sk-x"):
        answer = client.ask(V3, headers={"Authorization": header})
        assert (answer.status_code, answer.json()["error"]["message"]) == (401, "Invalid token")
    with Sandbox(profile="gateway", shape="dmxapi-responses", api_key="sk-ours") as sandbox:
        own = Responses(sandbox, "sk-ours")
        assert own.ask(V3, headers={"Authorization": "sk-ours"}).status_code == 200
        assert own.ask(V3, headers={"Authorization": "sk-x"}).status_code == 401


def test_nothing_but_the_one_route(client: Responses) -> None:
    task_id = client.made(V26)
    for answer in (
        client.get("/v1/responses"),
        client.get(f"/v1/responses/{task_id}"),
        client.get("/tasks?task_ids=1"),
        client.get(f"/v1/videos/text2video/{task_id}"),
        client.legacy(),
        client.post("/kling/v1/videos/text2video", {"model_name": "kling-v3", "prompt": "x"}),
    ):
        assert answer.status_code == 404
    assert client.sandbox.base_url == client.sandbox.url


def test_the_native_route_beside_it() -> None:
    """Routes do not know each other's tasks."""
    with Sandbox(profile="gateway", shape="dmxapi", time_scale=1, concurrency=9) as sandbox:
        new, old = Responses(sandbox, "sk-x"), Client(sandbox, "sk-x", "/kling")
        theirs = old.legacy(model_name="kling-v1-6").json()["data"]["task_id"]
        mine = new.made(V26)
        refused(new.read(V26, theirs), "Task not found")
        assert old.get(f"/v1/videos/text2video/{mine}").status_code == 400
        assert old.get(f"/v1/videos/text2video/{theirs}").json()["data"]["task_id"] == theirs
        assert told(new.read(V26, mine))


def test_a_callback_of_v26(client: Responses) -> None:
    client.made({**V26, "callback_url": "http://127.0.0.1:9/done"})
    (task,) = client.sandbox.backend.all()
    assert task.request.callback_url == "http://127.0.0.1:9/done"
    assert client.made({**V26, "callback_url": ""})


def test_tasks_outlive_a_restart(tmp_path: Path) -> None:
    options: dict[str, Any] = {"profile": "gateway", "shape": "dmxapi-responses", "time_scale": 1}
    with Sandbox(state_dir=tmp_path, **options) as sandbox:
        ids = {name: Responses(sandbox, "sk-x").made(body) for name, body in FORMS.items()}
    with Sandbox(state_dir=tmp_path, **options) as sandbox:
        sandbox.advance(120)
        client = Responses(sandbox, "sk-x")
        assert ids["v2.6"] in told(client.read(V26, ids["v2.6"]))
        assert said(client.read(V3, ids["v3"]).json())["data"]["task_status"] == "succeed"
        assert said(client.read(BAILIAN, ids["bailian"]).json())["task_status"] == "SUCCEEDED"


# -- faults -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("kind", ["answer_lost_after", "answer_cut"])
def test_a_lost_answer(name: str, kind: str, client: Responses) -> None:
    client.sandbox.set_faults([{"kind": kind}])
    with pytest.raises(requests.RequestException):
        client.ask(FORMS[name])
    assert len(client.sandbox.backend.all()) == 1
    assert client.sandbox.stats()["creates"]["answers"] == {kind: 1}


@pytest.mark.parametrize("name", FORMS)
def test_errors_of_the_route(name: str, client: Responses) -> None:
    """Those before the task is made, and those after, in the gateway's own form."""
    wanted = [
        ({"kind": "error_before", "code": 5000}, 500, "dmxapi_kling_error_5000", 0),
        ({"kind": "error_after", "code": 5002}, 504, "dmxapi_kling_error_5002", 1),
        ({"kind": "concurrency"}, 429, "dmxapi_kling_error_1303", 0),
        ({"kind": "rate_limited"}, 429, "dmxapi_kling_error_1302", 0),
        ({"kind": "exhausted"}, 403, "insufficient_user_quota", 0),
        ({"kind": "moderation"}, 400, "dmxapi_kling_error_1301", 0),
        ({"kind": "auth"}, 401, "", 0),
    ]
    for rule, status, code, made in wanted:
        client.sandbox.reset()
        client.sandbox.set_faults([rule])
        answer = client.ask(FORMS[name])
        assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
        assert len(client.sandbox.backend.all()) == made
    client.sandbox.reset()
    client.sandbox.set_faults([{"kind": "html_502", "on": "any"}])
    assert client.ask(FORMS[name]).headers["Content-Type"] == "text/html"
    assert client.read(FORMS[name], "1").status_code == 502
    client.sandbox.set_faults([{"kind": "outage"}])
    assert client.read(FORMS[name], "1").status_code == 503
    assert client.ask(FORMS[name]).status_code == 200, "a create is no read, though the route is the same"
    stats = client.sandbox.stats()
    assert (stats["creates"]["received"], stats["reads"]) == (2, 2)
    assert stats["paths"] == {"POST /v1/responses": 4}


@pytest.mark.parametrize("place", ["beside", "message", "none"])
@pytest.mark.parametrize("name", FORMS)
def test_an_accepted_create_that_looks_refused(name: str, place: str, client: Responses) -> None:
    client.sandbox.set_faults([{"kind": "accepted_with_400", "place": place}])
    answer = client.ask(FORMS[name])
    error = answer.json().pop("error")
    assert (answer.status_code, error["code"]) == (400, "dmxapi_kling_error_0")
    (task,) = client.sandbox.backend.all()
    if place == "none":
        assert set(answer.json()) == {"error"}
        assert error["message"] == "SUCCEED"
        return
    payload = answer.json() if place == "beside" else json.loads(error["message"])
    client.sandbox.set_faults([])
    assert client.read(FORMS[name], id_of(payload)).status_code == 200
    assert task.id == id_of(payload) or name != "v2.6"


@pytest.mark.parametrize("name", FORMS)
def test_a_failed_task_that_looks_refused(name: str, client: Responses) -> None:
    rules: list[dict[str, Any]] = [{"kind": "failed_with_400"}]
    client.sandbox.set_faults([*rules, {"kind": "task_fails", "match": {"prompt_contains": "sinks"}}])
    sinking = json.loads(json.dumps(FORMS[name]).replace("a boat", "a boat sinks"))
    good, bad = client.made(FORMS[name]), client.made(sinking)
    client.sandbox.advance(120)
    assert client.read(FORMS[name], good).status_code == 200
    answer = client.read(sinking, bad)
    assert answer.status_code == 400
    words = {"v2.6": "failed", "v3": '"task_status":"failed"', "bailian": '"task_status":"FAILED"'}
    assert words[name] in answer.json()["error"]["message"]
    assert client.sandbox.stats()["faults"]["failed_with_400"] == 1


@pytest.mark.parametrize("name", FORMS)
def test_an_answer_without_an_id(name: str, client: Responses) -> None:
    client.sandbox.set_faults([{"kind": "missing_id"}])
    answer = client.ask(FORMS[name])
    assert answer.status_code == 200
    (task,) = client.sandbox.backend.all()
    assert task.id not in answer.text
    assert "tsk-" not in answer.text
    assert "taskId" not in answer.text
    assert "task_id" not in answer.text


def test_other_words_links_and_outputs(client: Responses) -> None:
    ids = {name: client.made(body) for name, body in FORMS.items()}
    client.sandbox.advance(120)
    client.sandbox.set_faults([{"kind": "unknown_status", "status": "CANCELED"}])
    assert "CANCELED" in told(client.read(V26, ids["v2.6"]))
    assert said(client.read(V3, ids["v3"]).json())["data"]["task_status"] == "CANCELED"
    assert said(client.read(BAILIAN, ids["bailian"]).json())["task_status"] == "CANCELED"
    client.sandbox.set_faults([{"kind": "expired_link"}])
    url = said(client.read(BAILIAN, ids["bailian"]).json())["video_url"]
    assert requests.get(url, timeout=TIMEOUT).status_code == 403
    client.sandbox.set_faults([{"kind": "outputs", "outputs": []}])
    assert "video_url" not in said(client.read(BAILIAN, ids["bailian"]).json())
    assert said(client.read(V3, ids["v3"]).json())["data"]["task_result"] == {}
    assert "http" not in told(client.read(V26, ids["v2.6"]))
    client.sandbox.set_faults([{"kind": "wrong_code_shape", "code": "0"}])
    assert said(client.read(V3, ids["v3"]).json())["code"] == "0"
    assert client.ask(V26).json()["code"] == "0"
    client.sandbox.set_faults([{"kind": "flood", "megabytes": 1, "gzip": False}])
    assert ids["v2.6"] in told(client.read(V26, ids["v2.6"]))


# -- the native route of 2025 -----------------------------------------------------------------------------


def test_the_native_route_of_2025(captures: Path) -> None:
    records = recorded(captures, "54")["records"]
    seed = {**recorded(captures, "36")["request"], "prompt": "a boat", "negative_prompt": "blur"}
    with Sandbox(profile="gateway", shape="dmxapi-2025", time_scale=1, concurrency=9) as sandbox:
        client = Client(sandbox, "sk-x", "/kling")
        created = client.post("/v1/videos/text2video", seed).json()
        compare(created, records[0]["response"])
        image = {"model_name": "kling-v1-6", "image": PICTURE}
        compare(client.post("/v1/videos/image2video", image).json(), records[1]["response"])
        task_id = created["data"]["task_id"]
        assert created["request_id"] == task_id
        path = f"/v1/videos/text2video/{task_id}"
        compare(client.get(path).json(), records[3]["response"])
        sandbox.advance(120)
        done = client.get(path).json()
        old = recorded(captures, "55")["records"][1]["response"]
        compare(done, old)
        assert done["data"]["task_status"] == "succeed"
        assert client.get(f"/v1/videos/text2video/{sandbox.backend.all()[0].id}").status_code == 400
        later = client.legacy()
        assert (later.status_code, later.json()["error"]["code"]) == (503, "model_not_found")
        bare = client.call("POST", "/v1/videos/text2video", json=seed, headers={"Authorization": "sk-x"})
        assert bare.status_code == 200

# SPDX-License-Identifier: Apache-2.0
"""What DMXAPI's responses route refuses: fields, types, values and ids that its pages do not name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kling_provider.sandbox import Sandbox
from tests.contract.responses_client import (
    BAILIAN,
    FORMS,
    PICTURE,
    READERS,
    V3,
    V3_IMAGE,
    V26,
    V26_IMAGE,
    Responses,
    open_responses,
    refused,
    said,
)

SHOTS = [{"index": 1, "prompt": "one", "duration": "2"}, {"index": 2, "prompt": "two", "duration": "3"}]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with open_responses() as running:
        yield running


@pytest.fixture
def client(sandbox: Sandbox) -> Responses:
    sandbox.reset()
    return Responses(sandbox, "sk-x")


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

# SPDX-License-Identifier: Apache-2.0
"""The checks of what gateways answered; ``test_captures.py`` runs them."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from airflow.sdk import Connection

from kling_provider.api.codes import ErrorKind, TaskState, parse_response
from kling_provider.api.dialects import DIALECTS
from kling_provider.api.dialects.reading import parse_task
from kling_provider.api.parsing import parse_request
from kling_provider.api.tasks import Billing, KlingTask, Output, TaskStatus
from kling_provider.hooks.connection import KlingConnection
from kling_provider.hooks.responses import parse_created, parse_known
from tests.contract.capture_checks import Record, at, check, each, submitted, success, task


def units(read: KlingTask | None) -> Decimal | None:
    assert read is not None
    return next((one.amount for one in read.billing if one.charge_type == "unit"), None)


@check("30_gateway_cometapi_query_processing.json")
def _(record: Record) -> None:
    read = task(record["response"])
    assert (read.kling_task_id, read.status) == ("878106242831892487", TaskStatus.PROCESSING)
    assert (read.message, read.updated_at) == ("", at(1777385363321))


@check("31_gateway_cloudsway_new_api_submit.json")
def _(record: Record) -> None:
    theirs = record["request"]
    asked = {"prompt": theirs["prompt"], "model": "kling-3.0-turbo", **theirs["settings"]}
    call = DIALECTS["standard"].create(parse_request(asked), None)
    assert call.path == "/text-to-video/kling-3.0-turbo"
    # A watermark that is off is Kling's default and is left out.
    assert {**(call.json or {}), "options": theirs["options"]} == theirs
    submitted(record["response"])


@check("34_gateway_apifox_submit.json")
def _(record: Record) -> None:
    submitted(record["response"])


@check("36_dmxapi_seed_request.json")
def _(record: Record) -> None:
    call = DIALECTS["legacy"].create(parse_request(record["request"]), None)
    assert (call.path, call.json) == ("/v1/videos/text2video", record["request"])
    # The answer of which the sample reads just these fields.
    assert [field.split(" ")[0] for field in record["response_fields_used"]] == [
        "code",
        "data.task_id",
        "data.task_status",
        "data.task_result.videos[0].url",
        "data.task_result.videos[0].id",
    ]
    video = {"id": "v", "url": "https://host/v.mp4"}
    read = task(
        {"code": 0, "data": {"task_id": "7", "task_status": "succeed", "task_result": {"videos": [video]}}}
    )
    assert (read.kling_task_id, read.status) == ("7", TaskStatus.SUCCEEDED)
    assert [(output.id, output.url) for output in read.outputs] == [("v", "https://host/v.mp4")]


@check("54_dmxapi_native_2025_submit.json")
def _(record: Record) -> None:
    for what, response in each(record):
        if what.startswith("POST"):
            submitted(response)
    read = task(dict(each(record))["GET /kling/v1/images/generations/{task_id}"])
    assert read.status is TaskStatus.SUBMITTED, "what the page printed"


@check("56_gateway_cometapi_audio_and_image_submit.json")
def _(record: Record) -> None:
    (_, sound), (_, image) = each(record)
    submitted(sound)
    assert task(image).external_task_id is None
    theirs = record["records"][1]["request"]
    asked = parse_request(
        {"type": "omni_image", **theirs, "image_list": None, "images": [theirs["image_list"][0]["image"]]}
    )
    call = DIALECTS["legacy"].create(asked, None)
    assert f"POST /kling{call.path}" == record["records"][1]["what"]
    assert call.json == theirs


@check("58_gateway_tokenhub_query.json")
def _(record: Record) -> None:
    answers = dict(each(record))
    done = parse_task(
        success(answers["succeeded"]).data, accepts_gateway_statuses=True, kling_task_id="task_1"
    )
    assert (done.status, done.outputs[0].duration, units(done)) == (TaskStatus.SUCCEEDED, 10.041, 6)
    failed = parse_task(
        success(answers["failed"]).data, accepts_gateway_statuses=True, kling_task_id="task_1"
    )
    assert (failed.kling_task_id, failed.status) == ("task_1", TaskStatus.FAILED)
    assert (failed.message, failed.moderated) == ("policy violation", True)
    refused = parse_response(200, {}, json.dumps(answers["refused"]).encode())
    assert (refused.kind, refused.task_state) == (ErrorKind.MODERATION, TaskState.NONE)


@check("59_gateway_qianfan_kling.json")
def _(record: Record) -> None:
    answers = dict(each(record))
    for what in ("turbo succeed with empty status", "K3.0 succeed"):
        read = parse_task(
            success(answers[what]).data, accepts_gateway_statuses=True, kling_task_id="upstream-task"
        )
        taken = {"K3.0 succeed": Decimal("7.2")}.get(what, Decimal("2.4"))
        assert (read.status, len(read.outputs), units(read)) == (TaskStatus.SUCCEEDED, 1, taken)


@check("66_new_api_plugin_envelopes.json")
def _(record: Record) -> None:
    answers, asked = dict(each(record)), "task_public_0001"
    assert (
        parse_task(success(answers["new-style create"]).data, accepts_gateway_statuses=True).kling_task_id
        == asked
    )
    done = parse_task(
        success(answers["new-style query"]).data, accepts_gateway_statuses=True, kling_task_id=asked
    )
    assert (done.kling_task_id, done.status, len(done.outputs)) == (asked, TaskStatus.SUCCEEDED, 1)
    early = answers["legacy query before the first poll"]
    read = parse_task(success(early).data, accepts_gateway_statuses=True, kling_task_id=asked)
    assert (read.status, read.created_at) == (TaskStatus.SUBMITTED, None)


# -- DMXAPI's responses route ---------------------------------------------------------------------------------

#: As a user of DMXAPI writes it: no extras.
DMXAPI = {"conn_type": "kling", "host": "https://www.dmxapi.cn", "password": "sk-kling-sandbox"}
#: Fields of the pages' samples that no request of ours has for that model, with the reason.
LEFT_OUT = {
    "cfg_scale": "Kling lists it for the v1 models alone, and 3.0 takes it without effect",
    "negative_prompt": "empty in the sample, so not sent",
    "image_tail": "empty in the sample, so not sent",
    "callback_url": "empty in the sample, so not sent",
}


def dmxapi() -> KlingConnection:
    return KlingConnection.parse(Connection(conn_id="dmxapi", **DMXAPI))


def ask_as(sample: Record) -> dict[str, Any]:
    """What a user writes to have the body of a sample sent, in the words of the legacy API."""
    image = "https://media.example.com/in/a.png"
    asked: dict[str, Any] = {"prompt": sample["input"], "model": "kling-3.0"}
    for theirs, ours in (
        ("negative_prompt", "negative_prompt"),
        ("aspect_ratio", "aspect_ratio"),
        ("element_list", "elements"),
        ("multi_shot", "multi_shot"),
        ("shot_type", "shot_type"),
        ("multi_prompt", "multi_prompt"),
        ("callback_url", "callback_url"),
    ):
        if sample.get(theirs):
            asked[ours] = sample[theirs]
    if isinstance(sample["input"], list):
        asked |= {"multi_prompt": sample["input"], "prompt": "one take"}
    asked["duration"] = int(sample["duration"])
    asked["resolution"] = {"std": "720p", "pro": "1080p"}[sample["mode"]]
    asked["audio"] = sample["sound"]
    asked["watermark"] = sample.get("watermark_info", {}).get("enabled", False)
    if "image" in sample:
        asked.pop("aspect_ratio", None)  # a video from an image has the image's shape
        asked |= {"type": "image_to_video", "first_frame": image}
        if sample.get("image_tail"):
            asked["last_frame"] = image
    return asked


def same_body(sent: Any, sample: Record) -> None:
    """The body is the sample's, but for what is left out on purpose and for what Kling would assume otherwise."""
    theirs = {
        key: value
        for key, value in sample.items()
        if key not in ("image", "image_tail")
        and not (key in LEFT_OUT and (value == "" or key == "cfg_scale"))
    }
    if theirs.get("watermark_info") == {"enabled": False}:
        del theirs["watermark_info"]
    ours = {key: value for key, value in sent.items() if key not in ("image", "image_tail")}
    for element in theirs.get("element_list", ()):
        element["element_id"] = str(element["element_id"])
    ours.setdefault("multi_shot", False)
    theirs.setdefault("multi_shot", False)
    assert ours == theirs
    assert ("image" in sent, bool(sent.get("image_tail"))) == (
        "image" in sample,
        bool(sample.get("image_tail")),
    )


@check("50_dmxapi_responses_v3_submit.json")
def _(record: Record) -> None:
    taken = []
    for one in record["records"]:
        call = dmxapi().dialect.create(parse_request(ask_as(one["request"])), None)
        assert (call.method, call.path) == ("POST", "/v1/responses")
        same_body(call.json, one["request"])
        for status in (200, 400):  # an accepted create may come with either
            answer = parse_response(status, {}, json.dumps(one["response"]).encode())
            made = parse_created(dmxapi(), answer)
            assert answer.ok
            assert made is not None
            assert (made.kling_task_id, made.status) == (one["response"]["request_id"], TaskStatus.SUBMITTED)
        taken.append(units(made))
    assert taken == [Decimal(text) for text in ("4.5", "4.5", "6", "6", "6", "9.6")]


@check("51_dmxapi_responses_v3_query_succeed.json")
def _(record: Record) -> None:
    for one in record["records"]:
        kling_task_id, native = one["request"]["input"], one["text_parsed"]["data"]
        call = dmxapi().dialect.read("text_to_video", kling_task_id)
        assert (call.method, call.path, call.json) == ("POST", "/v1/responses", one["request"])
        answer = parse_response(200, {}, json.dumps(one["response"]).encode())
        assert (answer.code, answer.request_id) == (0, one["response"]["request_id"])
        video = native["task_result"]["videos"][0]
        # Left out: watermark_info, which repeats what was asked for.
        assert parse_known(dmxapi(), answer, kling_task_id) == KlingTask(
            kling_task_id=kling_task_id,
            status=TaskStatus.SUCCEEDED,
            status_word="succeed",
            outputs=(
                Output(
                    "video", video["id"], video["url"], video.get("watermark_url"), float(video["duration"])
                ),
            ),
            billing=(Billing("unit", Decimal(native["final_unit_deduction"])),),
            created_at=at(native["created_at"]),
            updated_at=at(native["updated_at"]),
        )


@check("52_dmxapi_responses_v26_submit.json")
def _(record: Record) -> None:
    taken = []
    for one in record["records"]:
        asked = {**ask_as(one["request"]), "model": "kling-2.6"}
        body = dmxapi().dialect.create(parse_request(asked), None).json
        sample = {key: value for key, value in one["request"].items() if value != ""}
        if "image" in sample:
            del sample["aspect_ratio"]
        assert {**(body or {}), "image": sample.get("image")} == {**sample, "image": sample.get("image")}
        answer = parse_response(200, {}, json.dumps(one["response"]).encode())
        made, data = parse_created(dmxapi(), answer), one["response"]["data"]
        assert made is not None
        assert (made.kling_task_id, made.status) == (data["task_id"], TaskStatus.SUBMITTED)
        assert made.created_at == at(data["created_at"])
        taken.append(units(made))
    assert taken == [Decimal("2.5"), Decimal(10)]
    [text] = record["records_query_text"]
    call = dmxapi().dialect.read("image_to_video", "849767277859542713")
    assert call.json == {"model": "kling-image2video-get", "input": "849767277859542713", "stream": True}
    events = f"data: {{}}\n\ndata: {json.dumps(text['sse_final'])}\n\ndata: [DONE]\n\n"
    read = parse_known(dmxapi(), parse_response(200, {}, events.encode()), "849767277859542713")
    assert read is not None
    assert (read.status, read.outputs[0].duration) == (TaskStatus.SUCCEEDED, 5.041)
    assert (
        read.outputs[0].url == "https://media.example.com/kling/out.mp4?cacheKey=…&x-kcdn-pid=112757&pkey=…"
    )


@check("53_dmxapi_responses_bailian_submit.json")
def _(record: Record) -> None:
    taken = []
    for one in record["records"]:
        theirs = one["request"]
        what, how = theirs["input"], theirs["parameters"]
        media = {item["type"]: item["url"] for item in what.get("media", ())}
        asked = {
            "model": theirs["model"],
            "type": "image_to_video" if media else "text_to_video",
            "prompt": what["prompt"],
            **media,
            "multi_shot": bool(what.get("multi_prompt")),
            "shot_type": what.get("shot_type"),
            "multi_prompt": what.get("multi_prompt", []),
            "elements": what.get("element_list", []),
            "resolution": {"std": "720p", "pro": "1080p"}[how["mode"]],
            "duration": how["duration"],
            "audio": how["audio"],
            "watermark": how["watermark"],
        }
        body = (
            dmxapi()
            .dialect.create(parse_request({k: v for k, v in asked.items() if v is not None}), None)
            .json
        )
        assert body is not None
        for element in what.get("element_list", ()):
            element["element_id"] = str(element["element_id"])
        if "multi_prompt" in what:  # one sample has shots beside multi_shot: false
            what["multi_shot"] = True
        if media:  # a video from an image has the image's shape
            del how["aspect_ratio"]
        assert body == theirs
        made = parse_created(dmxapi(), parse_response(200, {}, json.dumps(one["response"]).encode()))
        said = json.loads(one["response"]["output"][0]["content"][0]["text"])
        assert made is not None
        assert (made.kling_task_id, made.status_word) == (said["task_id"], "PENDING")
        assert dmxapi().dialect.read("text_to_video", made.kling_task_id).json == {
            "model": "kling-v3-get",
            "input": made.kling_task_id,
        }
        taken.append(units(made))
    assert taken == [8, 12, 3, 3]


# -- what others print ----------------------------------------------------------------------------------------


@check("61_tencent_vclm_motion_control_done.json")
def _(record: Record) -> None:
    """Tencent's VCLM has an API and signatures of its own. No connection speaks it, and its answer is no task of ours."""
    answer = parse_response(200, {}, json.dumps(record["response"]).encode())
    assert (answer.ok, answer.task_state) == (False, TaskState.MAY_EXIST)
    read = parse_task(
        {"task_id": "1", "status": record["response"]["Response"]["Status"]}, accepts_gateway_statuses=True
    )
    assert read.status is TaskStatus.SUCCEEDED  # its word is known, as gateways may pass it on


@check("62_doc_legacy_query_examples.json")
def _(record: Record) -> None:
    """Kept of every answer: ids, state, times, outputs. Left out: the placeholders of what was deducted, index, names."""
    outputs = {
        "avatar_query": [Output("video", "string", "string", "string", 5.0)],
        # The page's own example has 0 for an id, which is none.
        "element_list": [
            Output(
                "element",
                details={"name": "string", "description": "string", "owned_by": "kling", "status": "succeed"},
            )
        ],
        "image_generation_list": [Output("image", url="string", watermark_url="string")],
        "omni_image_query": [Output("image", url="string", watermark_url="string")] * 2,
        "subject_completion_query": [Output("image", url="string")] * 3,
        # The same sound also comes as WAV; one output is one result, so the MP3 is taken.
        "text_to_audio_query": [Output("audio", "string", "string", duration=5.0)],
        "tts_create": [Output("audio", "string", "string", duration=5.0)],
        "voice_list": [Output("voice", "string", "string", details={"name": "string", "owned_by": "kling"})],
    }
    assert record["records"].keys() == outputs.keys()
    for what, response in record["records"].items():
        answer = success(response)
        fields = answer.data if isinstance(answer.data, dict) else answer.data[0]
        read = parse_task(fields)
        assert read == KlingTask(
            kling_task_id="string",
            status=TaskStatus.SUCCEEDED,
            status_word="succeed",
            message="string",
            external_task_id=fields.get("task_info", {}).get("external_task_id"),
            outputs=tuple(outputs[what]),
            created_at=at(fields["created_at"]),
            updated_at=at(fields["updated_at"]),
        ), what

# SPDX-License-Identifier: Apache-2.0
"""DMXAPI's responses route: one path, ``POST /v1/responses``, for paid calls and for reads.

The model in the body says what is meant, and each family of models has words of its own (DMXAPI's pages of 2026). What the
route answers is unwrapped in :mod:`kling_provider.api.responses_route`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from kling_provider.api.calls import ApiRequest
from kling_provider.api.catalog import find_spec, spec_of
from kling_provider.api.models import known_model
from kling_provider.api.problems import Problem
from kling_provider.api.requests.base import KlingRequest
from kling_provider.api.requests.fields import ApiDesign

PATH = "/v1/responses"

#: The two models that the route takes in the words of Alibaba's Bailian.
_BAILIAN = ("kling-v3-video-generation", "kling-v3-omni-video-generation")
#: Kling's legacy names of models that have a family of their own there.
_V26 = "kling-v2-6"
_V3 = "kling-v3"

#: What each family takes, by the names of the legacy API.
_COMMON = frozenset({"prompt", "mode", "sound", "aspect_ratio", "duration", "image", "image_tail"})
_SHOTS = frozenset({"multi_shot", "shot_type", "multi_prompt", "element_list", "watermark_info"})
_V26_FIELDS = _COMMON | {"negative_prompt", "voice_list", "callback_url"}
_V3_FIELDS = _COMMON | _SHOTS | {"negative_prompt", "voice_list", "cfg_scale"}
_BAILIAN_FIELDS = _COMMON | _SHOTS
#: The path of the legacy API -> the word in the names of the models of Kling 2.6.
_V26_WORDS = {"/v1/videos/text2video": "text2video", "/v1/videos/image2video": "image2video"}


class ResponsesDialect:
    """``POST /v1/responses`` with a model in the body that says whether to make a video or to read one."""

    name = "responses"
    #: Requests are written in the names of the legacy API first, then in those of the model's family.
    design: ApiDesign = "legacy"

    def create(self, request: KlingRequest, external_task_id: str | None) -> ApiRequest:
        """Return the paid call. The route has no external ids."""
        body = request.to_body("legacy")
        if request.callback_url:
            body["callback_url"] = request.callback_url
        _, write = _find_family(request)
        return ApiRequest("POST", PATH, json=write(request, body))

    def read(self, type: str, id: str) -> ApiRequest:
        """Return the call that reads one task: its id tells which family made it."""
        if re.fullmatch(r"\d+", id):
            spec = find_spec(type)
            word = _V26_WORDS.get(spec.paths.get("legacy", "") if spec else "", "text2video")
            return ApiRequest("POST", PATH, json={"model": f"kling-{word}-get", "input": id, "stream": True})
        bailian = "-" in id and not id.startswith("tsk-")
        return ApiRequest(
            "POST", PATH, json={"model": "kling-v3-get" if bailian else "kling-v3-get-all", "input": id}
        )

    def find_unsupported(self, request: KlingRequest) -> list[Problem]:
        """Return what the route has no field for, by the model; such a request is not sent."""
        if request.model is None or spec_of(request).paths.get("legacy") not in _V26_WORDS:
            return [Problem("type", request.type, "must be text_to_video or image_to_video on this route")]
        model = known_model(request.model)
        if model is not None and model.legacy_name not in (_V3, _V26):
            message = (
                "must be kling-3.0, kling-2.6 or kling-v3-video-generation: the responses route of this host has no other "
                "video model in its documents"
            )
            return [Problem("model", request.model, message)]
        fields, _ = _find_family(request)
        # Where a field stands on the legacy API; a callback is no field of the body there.
        places = {
            name: (wire.find_path("legacy") or "").partition(".")[0]
            for name, wire in request.find_wires().items()
        }
        places["callback_url"] = "callback_url"
        reason = f"must be left out: the responses route has no such field for {request.model}"
        return [
            Problem(name, None, reason)
            for name, place in places.items()
            if place and place not in fields and request.wire_value(name) not in (None, "", [], False)
        ]


_Writer = Callable[[KlingRequest, dict[str, Any]], dict[str, Any]]


def _find_family(request: KlingRequest) -> tuple[frozenset[str], _Writer]:
    """Return the fields of the model's family, and what writes its body; a model that is not known is taken for a v3."""
    if request.model in _BAILIAN:
        return _BAILIAN_FIELDS, _write_bailian
    return (_V26_FIELDS, _write_v26) if request.name_model("legacy") == _V26 else (_V3_FIELDS, _write_v3)


def _write_v26(request: KlingRequest, body: dict[str, Any]) -> dict[str, Any]:
    """Write the body for Kling 2.6: whole seconds, and the type in the name of the model."""
    word = _V26_WORDS[spec_of(request).paths["legacy"]]
    taken = {key: value for key, value in _keep(body, _V26_FIELDS).items() if key != "prompt"}
    voices = [{"voiceId": one["voice_id"]} for one in taken.pop("voice_list", ())]
    return {
        "model": f"{_V26}-{word}",
        "input": body.get("prompt", ""),
        **taken,
        "duration": int(body["duration"]),
        **({"voice_list": voices} if voices else {}),
    }


def _write_v3(request: KlingRequest, body: dict[str, Any]) -> dict[str, Any]:
    """Write the body for Kling 3.0: the legacy API's names, with the prompt as ``input``."""
    taken = {key: value for key, value in _keep(body, _V3_FIELDS).items() if key != "prompt"}
    prompt: Any = body.get("prompt", "")
    if "image" in taken and taken.get("multi_prompt"):
        prompt = taken.pop("multi_prompt")  # of a video from an image the shots are the input
    return {"model": request.name_model("legacy"), "input": prompt, **taken}


def _write_bailian(request: KlingRequest, body: dict[str, Any]) -> dict[str, Any]:
    """Write the body in Bailian's words: what is shown under ``input``, how under ``parameters``."""
    media = [
        {"type": kind, "url": body[key]}
        for key, kind in (("image", "first_frame"), ("image_tail", "last_frame"))
        if key in body
    ]
    shots = [{**shot, "duration": int(shot["duration"])} for shot in body.get("multi_prompt", ())]
    what = {
        "prompt": body.get("prompt"),
        "media": media,
        "multi_shot": body.get("multi_shot") or None,
        "shot_type": body.get("shot_type"),
        "multi_prompt": shots,
        "element_list": body.get("element_list"),
    }
    how = {
        "mode": body.get("mode"),
        "aspect_ratio": body.get("aspect_ratio"),
        "duration": int(body["duration"]),
        "audio": body.get("sound") == "on",
        "watermark": bool(body.get("watermark_info", {}).get("enabled")),
    }
    return {"model": request.model, "input": _without_empty(what), "parameters": _without_empty(how)}


def _keep(body: Mapping[str, Any], fields: frozenset[str]) -> dict[str, Any]:
    return {key: value for key, value in body.items() if key in fields}


def _without_empty(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value not in (None, [], "")}

# SPDX-License-Identifier: Apache-2.0
"""The legacy ``/v1`` API: ``model_name`` in the body, durations as text, one path per product."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from kling_provider.api.calls import HttpCall
from kling_provider.api.models import known_model, legacy_name
from kling_provider.api.problems import Problem
from kling_provider.api.requests import Request

PATHS = {"text_to_video": "/v1/videos/text2video", "image_to_video": "/v1/videos/image2video"}
_MODES = {"720p": "std", "1080p": "pro", "4k": "4k"}
_PROMPT_LIMIT = 2500


class LegacyDialect:
    """``POST /v1/videos/text2video`` and its like; API key or access key and secret key."""

    name = "legacy"

    def dropped(self, request: Request) -> list[Problem]:
        found = []
        model = known_model(request.model)
        if model is not None and model.legacy_name is None:
            found.append(
                Problem(
                    "model",
                    request.model,
                    "is not on the legacy API; use a connection with api: standard, or take kling-3.0",
                )
            )
        if request.prompt and len(request.prompt) > _PROMPT_LIMIT:
            found.append(
                Problem(
                    "prompt",
                    None,
                    f"has {len(request.prompt)} characters; the legacy API takes {_PROMPT_LIMIT}",
                )
            )
        for field, items, reference in (
            ("elements", request.elements, "<<<element_1>>>"),
            ("voices", request.voices, "<<<voice_1>>>"),
        ):
            if any(item.id for item in items):
                found.append(
                    Problem(
                        field,
                        None,
                        f"the legacy API has no names for them: leave id out and write {reference} in the prompt",
                    )
                )
        return found

    def create(self, request: Request, external_task_id: str | None) -> HttpCall:
        body: dict[str, Any] = {
            "model_name": legacy_name(request.model),
            "mode": _MODES[request.resolution],
            # Text on this API; the standard one takes a number.
            "duration": str(request.duration),
        }
        if request.prompt:
            body["prompt"] = request.prompt
        for field in ("negative_prompt", "cfg_scale", "shot_type"):
            if (value := getattr(request, field)) is not None:
                body[field] = value
        if request.camera_control is not None:
            body["camera_control"] = request.camera_control.model_dump(exclude_unset=True, exclude_none=True)
        # The field came with v2-6: models that do not know it are not sent it (names that we do not know are).
        if request.sound is not None:
            body["sound"] = "on" if request.sound == "native" else "off"
        if request.one_shot is not None:
            body["multi_shot"] = request.one_shot
        if request.multi_prompt:
            body["multi_prompt"] = [
                {"index": shot.index, "prompt": shot.prompt, "duration": str(shot.duration)}
                for shot in request.multi_prompt
            ]
        if request.elements:
            body["element_list"] = [{"element_id": item.element_id} for item in request.elements]
        if request.voices:
            body["voice_list"] = [{"voice_id": item.voice_id} for item in request.voices]
        if request.watermark:
            body["watermark_info"] = {"enabled": True}
        if request.type == "text_to_video":
            body["aspect_ratio"] = request.aspect_ratio
        else:
            body["image"] = request.first_frame
            if request.last_frame:
                body["image_tail"] = request.last_frame
            if request.static_mask:
                body["static_mask"] = request.static_mask
            if request.dynamic_masks:
                body["dynamic_masks"] = [mask.model_dump() for mask in request.dynamic_masks]
        if request.callback_url:
            body["callback_url"] = request.callback_url
        if external_task_id:
            body["external_task_id"] = external_task_id
        return HttpCall("POST", PATHS[request.type], json=body)

    def read(self, type: str, id: str) -> HttpCall:
        return HttpCall("GET", f"{PATHS[type]}/{quote(id, safe='')}")

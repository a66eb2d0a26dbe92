# SPDX-License-Identifier: Apache-2.0
"""The new standard API: the model in the path, ``settings`` and ``options``, one ``/tasks`` for all."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from kling_provider.api.calls import HttpCall
from kling_provider.api.hosts import takes_external_id
from kling_provider.api.models import known_model
from kling_provider.api.problems import Problem
from kling_provider.api.requests import Request

#: ``GET /tasks`` refuses more ids (observed live; 400/1201 "cannot exceed 20 in total").
MAX_IDS = 20
#: The longest page of ``POST /tasks``.
MAX_PAGE = 500

_PATHS = {"text_to_video": "/text-to-video", "image_to_video": "/image-to-video"}

#: Which models take ``voice`` contents here; the legacy API takes them with v3 as well.
_VOICES = ("kling-2.6",)

_LEGACY_ONLY = {
    "negative_prompt": "say it in the prompt",
    "cfg_scale": "leave it out",
    "camera_control": "describe the camera in the prompt",
    "static_mask": "leave it out",
    "dynamic_masks": "leave it out",
    "shot_type": "leave it out",
    "multi_prompt": "write the shots into the prompt: shot 1, 3, words; shot 2, 2, words;",
}


class StandardDialect:
    """``POST /text-to-video/{model}`` and its like; needs an API key."""

    name = "standard"

    def dropped(self, request: Request) -> list[Problem]:
        found = [
            Problem(
                field,
                None,
                f"the standard API has no such field and drops it silently: {instead}, "
                "or use a connection with api: legacy",
            )
            for field, instead in _LEGACY_ONLY.items()
            if getattr(request, field, None) not in (None, "", [])
        ]
        model = known_model(request.model)
        if model is not None and not model.standard:
            found.append(
                Problem("model", request.model, "is not on the standard API (retired); take kling-3.0")
            )
        if request.voices and (request.type == "text_to_video" or (model and model.name not in _VOICES)):
            found.append(
                Problem(
                    "voices",
                    None,
                    "the standard API takes voices with image_to_video of kling-2.6 only; "
                    "use a connection with api: legacy for others",
                )
            )
        if request.elements and request.type == "text_to_video":
            found.append(
                Problem("elements", None, "the standard API takes elements with image_to_video only")
            )
        elif any(not item.id for item in request.elements):
            found.append(Problem("elements", None, "need an id each, the name that the prompt uses (@id)"))
        if not takes_external_id(request.model):
            for field in ("external_task_id", "callback_url"):
                if getattr(request, field):
                    found.append(Problem(field, None, f"{request.model} does not take it; leave it out"))
        return found

    def create(self, request: Request, external_task_id: str | None) -> HttpCall:
        settings: dict[str, Any] = {"resolution": request.resolution, "duration": request.duration}
        if request.type == "text_to_video":
            settings["aspect_ratio"] = request.aspect_ratio
        if request.sound is not None:
            settings["audio"] = request.sound
        if request.one_shot is not None:
            settings["multi_shot"] = request.one_shot
        options: dict[str, Any] = {}
        if external_task_id and takes_external_id(request.model):
            options["external_task_id"] = external_task_id
        if request.callback_url:
            options["callback_url"] = request.callback_url
        if request.watermark:
            options["watermark_info"] = {"enabled": True}
        body: dict[str, Any] = (
            {"prompt": request.prompt}
            if request.type == "text_to_video"
            else {"contents": self._contents(request)}
        )
        body["settings"] = settings
        if options:
            body["options"] = options
        return HttpCall("POST", f"{_PATHS[request.type]}/{request.model}", json=body)

    def _contents(self, request: Request) -> list[dict[str, Any]]:
        contents: list[dict[str, Any]] = []
        if request.prompt:
            contents.append({"type": "prompt", "text": request.prompt})
        for frame in ("first_frame", "last_frame"):
            if url := getattr(request, frame, None):
                contents.append({"type": frame, "url": url})
        contents += [
            {"type": "element", "element_id": item.element_id, "id": item.id} for item in request.elements
        ]
        for voice in request.voices:
            named = {"id": voice.id} if voice.id else {}
            contents.append({"type": "voice", "voice_id": voice.voice_id, **named})
        return contents

    def read(self, type: str, id: str) -> HttpCall:
        return read_tasks([id])


def read_tasks(kling_task_ids: Sequence[str]) -> HttpCall:
    """Up to :data:`MAX_IDS` tasks of both designs in one read; unknown ids are left out of the answer."""
    return HttpCall("GET", "/tasks", params={"task_ids": ",".join(kling_task_ids)})


def find_tasks(external_task_ids: Sequence[str]) -> HttpCall:
    """The same by external ids."""
    return HttpCall("GET", "/tasks", params={"external_task_ids": ",".join(external_task_ids)})


def list_tasks(
    since: datetime | None,
    until: datetime | None,
    *,
    statuses: Sequence[str] = (),
    product_types: Sequence[str] = (),
    cursor: str | None = None,
    limit: int = MAX_PAGE,
) -> HttpCall:
    """One page of the account's tasks; a cursor overrides the times. Kling's default window is 30 days."""
    body: dict[str, Any] = {"limit": limit}
    if cursor:
        body["cursor"] = cursor
    else:
        if since:
            body["start_time"] = int(since.timestamp() * 1000)
        if until:
            body["end_time"] = int(until.timestamp() * 1000)
    filters = [("status", statuses), ("product_type", product_types)]
    if chosen := [{"key": key, "values": list(values)} for key, values in filters if values]:
        body["filters"] = chosen
    return HttpCall("POST", "/tasks", json=body)


def account_costs(since: datetime, until: datetime) -> HttpCall:
    """The account's packs (both times required; at most one call a second)."""
    times = {
        "start_time": str(int(since.timestamp() * 1000)),
        "end_time": str(int(until.timestamp() * 1000)),
    }
    return HttpCall("GET", "/account/costs", params=times)

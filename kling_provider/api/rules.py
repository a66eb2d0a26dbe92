# SPDX-License-Identifier: Apache-2.0
"""Rules between the fields of a request, by model.

Kling does not check all of them when a task is made (a duration of 20 was accepted live and failed later,
unknown keys are dropped without a word), so they are checked here, before anything is paid.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from kling_provider.api.models import Model, is_of_another_kind, known_model, model_names
from kling_provider.api.problems import Problem
from kling_provider.api.values import is_written_for_nothing

if TYPE_CHECKING:
    from kling_provider.api.requests import ImageToVideo, Request


def broken_rules(request: Request) -> list[Problem]:
    """Every rule that ``request`` breaks; empty when it may be sent."""
    found = _shape(request)
    if request.type == "image_to_video":
        found += _frames(request)
    model = known_model(request.model)
    if model is not None:
        found += _of_model(request, model)
    elif is_of_another_kind(request.model):
        found += _without_v1_controls(request, request.model)
    elif near := [name for name in model_names() if _folded(name) == _folded(request.model)]:
        # An unknown name passes, except where it is plainly a known one with other dots and dashes.
        found.append(Problem("model", request.model, f"no such model. Did you mean {near[0]!r}?"))
    return found


def said_for_nothing(request: Request) -> list[Problem]:
    """Texts that are what Jinja or ``str()`` writes where there is no value: ``None``, ``nan``.

    For where templates have been rendered: such a text would be paid as a prompt, or looked for as a task.
    """
    return [
        Problem(field, value, "is what a template writes where it has no value; leave the key out there")
        for field in ("prompt", "negative_prompt", "adopt", "external_task_id")
        if is_written_for_nothing(value := getattr(request, field))
    ]


def _folded(name: str) -> str:
    return re.sub(r"[^a-z0-9]|v", "", name.lower())


def _shape(request: Request) -> list[Problem]:
    found = []
    prompt = (request.prompt or "").strip()
    if request.type == "text_to_video" and not prompt and not request.multi_prompt:
        found.append(Problem("prompt", None, "is missing: say what the video shows"))
    if request.multi_prompt:
        if not request.multi_shot:
            found.append(Problem("multi_prompt", None, "needs multi_shot: true"))
        total = sum(shot.duration for shot in request.multi_prompt)
        if total != request.duration:
            found.append(
                Problem(
                    "multi_prompt",
                    None,
                    f"its shots last {total} s; their sum is the duration, {request.duration}",
                )
            )
    camera = request.camera_control
    if camera is not None:
        if camera.type == "simple":
            moves = [] if camera.config is None else [v for v in camera.config.model_dump().values() if v]
            if len(moves) != 1:
                found.append(
                    Problem(
                        "camera_control.config", None, "type simple takes exactly one value that is not zero"
                    )
                )
        elif camera.config is not None:
            found.append(Problem("camera_control.config", None, "goes with type simple only; leave it out"))
    return found


def _frames(request: ImageToVideo) -> list[Problem]:
    found = []
    if not request.first_frame:
        what = (
            "last_frame never stands alone" if request.last_frame else "image_to_video starts from a picture"
        )
        found.append(Problem("first_frame", None, f"is missing: {what}"))
    groups = {
        "last_frame": request.last_frame is not None,
        "static_mask" if request.static_mask else "dynamic_masks": bool(
            request.static_mask or request.dynamic_masks
        ),
        "camera_control": request.camera_control is not None,
    }
    used = [name for name, here in groups.items() if here]
    if len(used) > 1:
        found.append(Problem(used[1], None, f"cannot be combined with {used[0]}"))
    return found


def _of_model(request: Request, model: Model) -> list[Problem]:
    found = []

    def bad(field: str, value: object, message: str) -> None:
        found.append(Problem(field, value, message))

    if request.type == "text_to_video":
        if not model.text_to_video:
            bad("model", request.model, "makes videos from images only; set type: image_to_video")
        if request.aspect_ratio not in model.aspect_ratios:
            bad("aspect_ratio", request.aspect_ratio, f"{model.name} takes {', '.join(model.aspect_ratios)}")
    if request.duration not in model.durations:
        bad("duration", request.duration, f"{model.name} takes {_durations(model)} seconds")
    if request.resolution not in model.resolutions:
        bad("resolution", request.resolution, f"{model.name} takes {', '.join(model.resolutions)}")
    if request.prompt and (too_long := _too_long(request.prompt, request.type, model)):
        bad("prompt", None, too_long)
    if request.audio is not None and request.audio not in model.audio:
        if model.always_audio:
            bad("audio", request.audio, f"{model.name} always makes sound and has no switch; leave audio out")
        elif request.audio != "off":
            bad("audio", request.audio, f"{model.name} makes no sound; take kling-3.0 or leave audio out")
    if request.audio == "native" and model.name == "kling-2.6" and request.resolution != "1080p":
        bad("resolution", request.resolution, "kling-2.6 with native audio takes 1080p only")
    if request.multi_shot and not model.multi_shot:
        bad(
            "multi_shot",
            True,
            f"{model.name} has no such field; write the shots into the prompt, or take kling-3.0",
        )
    if len(request.elements) > model.elements:
        bad("elements", None, f"{model.name} takes {model.elements or 'no'} elements")
    if len(request.voices) > model.voices:
        bad("voices", None, f"{model.name} takes {model.voices or 'no'} voices")
    if request.voices and request.audio != "native":
        bad("voices", None, "need audio: native")
    if not model.v1_controls:
        found += _without_v1_controls(request, model.name)
    if request.type == "image_to_video" and request.last_frame is not None:
        if not model.last_frame:
            bad("last_frame", None, f"{model.name} takes no last frame")
        elif model.name in ("kling-2.6", "kling-2.5-turbo") and request.resolution != "1080p":
            bad("resolution", request.resolution, f"{model.name} with a last frame takes 1080p only")
        if model.name == "kling-2.6" and request.audio == "native":
            bad("audio", request.audio, "kling-2.6 with a last frame is silent")
    return found


def _without_v1_controls(request: Request, model: str) -> list[Problem]:
    return [
        Problem(field, None, f"belongs to the kling-v1 models; {model} has no such field")
        for field in ("cfg_scale", "camera_control")
        if getattr(request, field) is not None
    ]


def _too_long(prompt: str, type_: str, model: Model) -> str | None:
    """What is said of a prompt that is too long. Where a script counts for more, a mixed text counts by its parts."""
    limit = model.prompt_limit
    if type_ == "image_to_video":
        limit = model.image_prompt_limit or limit
    counted: float = len(prompt)
    takes = str(limit)
    if model.other_script_limit is not None:
        others = sum(1 for sign in prompt if not _is_latin(sign))
        counted += others * (limit / model.other_script_limit - 1)
        takes += f" in Latin script, {model.other_script_limit} in others"
    # The weight of a character is no whole number, so a text of exactly the limit may come out a hair above it.
    if counted < limit + 1:
        return None
    return f"has {len(prompt)} characters; {model.name} takes {takes}"


def _is_latin(sign: str) -> bool:
    """Latin letters, digits and signs; with the punctuation and combining marks that go with them."""
    return sign <= "\u036f" or "\u1e00" <= sign <= "\u1eff" or "\u2000" <= sign <= "\u206f"


def _durations(model: Model) -> str:
    numbers = model.durations
    if len(numbers) > 2 and numbers == tuple(range(numbers[0], numbers[-1] + 1)):
        return f"{numbers[0]} to {numbers[-1]}"
    return " or ".join(str(number) for number in numbers)

# SPDX-License-Identifier: Apache-2.0
"""
The legacy API's bodies under ``/v1/videos``: the model in ``model_name``, durations as text.

Shapes as recorded in 2025 and 2026; the fields of the price since 2026-01 as documented.
"""

from __future__ import annotations

from typing import Any

from kling_provider.sandbox.http.errors import invalid
from kling_provider.sandbox.http.fields import Fields
from kling_provider.sandbox.media import inputs as images
from kling_provider.sandbox.products.models import (
    CAMERA_MODELS,
    IMAGE,
    LEGACY_DEFAULT,
    LEGACY_NAMES,
    MODELS,
    RETIRED,
    TEXT,
)
from kling_provider.sandbox.products.prices import Kind, amount
from kling_provider.sandbox.products.standard import Sign
from kling_provider.sandbox.state.tasks import CreateRequest, Task, milliseconds

PRODUCTS = {"text2video": TEXT, "image2video": IMAGE}
RESOLUTION_OF_MODE = {"std": "720p", "pro": "1080p", "4k": "4k"}
CAMERA_TYPES = ("simple", "down_back", "forward_up", "right_turn_forward", "left_turn_forward")
CAMERA_MOVES = ("horizontal", "vertical", "pan", "tilt", "roll", "zoom")
ELEMENTS = MODELS[LEGACY_NAMES["kling-v3"]].elements
"""Elements belong to v3, the only legacy name that takes any."""
STATES = {"succeeded": "succeed"}


def read_create(
    product: str, body: object, *, gateway: bool = False, aspect_ratio: str = "16:9"
) -> CreateRequest:
    """
    Check a create body of ``text2video`` or ``image2video``.

    :param gateway: as resellers do it: retired models go on, whole numbers may be numbers.
    :param aspect_ratio: what stands for one that is left out.
    """
    fields = Fields(body)
    name = fields.text("model_name") or LEGACY_DEFAULT  # a key `model` is ignored (documented)
    if name in RETIRED and not gateway:
        raise invalid(f"The model '{name}' has been discontinued and is no longer available.")  # observed
    if name not in LEGACY_NAMES and name not in RETIRED:
        raise invalid("model is not supported")
    model = LEGACY_NAMES.get(name, name)
    mode = fields.choice("mode", tuple(RESOLUTION_OF_MODE), "std")
    if mode == "4k" and name != "kling-v3":
        raise invalid(f"mode 4k is not supported by model {name}")
    prompt = _prompt(fields, product, name)
    duration = _duration(fields, name, gateway=gateway)
    sound = fields.choice("sound", ("on", "off"), "off") == "on"
    if sound and name not in ("kling-v3", "kling-v2-6"):
        raise invalid(f"sound is not supported by model {name}")
    if sound and name == "kling-v2-6" and mode != "pro":
        raise invalid("sound requires mode pro for model kling-v2-6")
    cfg_scale = fields.number("cfg_scale")  # later models ignore the value, its range is still checked
    if cfg_scale is not None and not 0 <= cfg_scale <= 1:
        raise invalid("cfg_scale must be between 0 and 1")
    if len(fields.text("negative_prompt") or "") > 2500:
        raise invalid("negative_prompt cannot exceed 2500 characters")
    _check_camera(fields, f"{name}/{mode}/{duration}", supported=name in CAMERA_MODELS)
    first = _pictures(fields, name, mode, sound=sound) if product == IMAGE else None
    elements = [Fields(entry, "element_list") for entry in fields.items("element_list")]
    if len(elements) > ELEMENTS:
        raise invalid(f"element_list can have at most {ELEMENTS} elements")
    failure_message = first.failure_message if first is not None else None
    if elements and failure_message is None:  # the sandbox has no elements; the wording was observed
        failure_message = f"Element id not found: {elements[0].raw.get('element_id')}"
    voices = len(fields.items("voice_list"))
    if voices > 2 or (voices and not sound):
        raise invalid("voice_list takes at most 2 voices and requires sound on")
    kind: Kind = "silent"
    if sound:
        kind = "voice" if voices and name == "kling-v2-6" else "native"
    return CreateRequest(
        dialect="legacy",
        product=product,
        model=model,
        model_name=name,
        prompt=prompt,
        duration=duration,
        resolution=RESOLUTION_OF_MODE[mode],
        aspect_ratio=fields.choice("aspect_ratio", ("16:9", "9:16", "1:1"), aspect_ratio)
        if product == TEXT
        else None,
        sound=sound,
        kind=kind,
        image=first,
        external_id=fields.text("external_task_id"),
        callback_url=fields.text("callback_url"),
        watermark=fields.object("watermark_info").flag("enabled") or False,
        failure_message=failure_message,
        body=fields.raw,
    )


def _prompt(fields: Fields, product: str, name: str) -> str:
    prompt = fields.text("prompt") or ""
    if len(prompt) > 2500:  # the shots of multi_prompt have a limit of their own
        raise invalid("prompt cannot exceed 2500 characters")
    shots = fields.items("multi_prompt")
    if fields.flag("multi_shot"):
        if name != "kling-v3":
            raise invalid(f"multi_shot is not supported by model {name}")
        fields.choice("shot_type", ("customize", "intelligence"), "customize")
        texts = [
            Fields(shot, f"multi_prompt[{index}]").text("prompt") or "" for index, shot in enumerate(shots)
        ]
        if any(len(text) > 512 for text in texts):
            raise invalid("the prompt of a shot cannot exceed 512 characters")
        prompt = prompt or " / ".join(texts)
    if not prompt.strip() and product == TEXT:
        raise invalid("prompt is required")  # observed on the new standard
    return prompt


def _duration(fields: Fields, name: str, *, gateway: bool) -> int:
    """Text on Kling; resellers were seen to take numbers as well."""
    value = fields.raw.get("duration")
    if value is None:
        return 5
    if gateway and isinstance(value, int | float) and not isinstance(value, bool):
        value = f"{value:g}"
    if not isinstance(value, str):
        raise invalid("duration must be a string")
    known = MODELS.get(LEGACY_NAMES.get(name, name))
    allowed = {str(seconds) for seconds in (known.seconds if known else (5, 10))}
    if value not in allowed:
        raise invalid(f"duration must be one of {', '.join(sorted(allowed, key=int))}")
    return int(value)


def _check_camera(fields: Fields, combination: str, *, supported: bool) -> None:
    """One of five types; ``config`` belongs to ``simple`` and has exactly one move in [-10, 10]."""
    if fields.raw.get("camera_control") is None:
        return
    camera = fields.object("camera_control")
    kind = camera.choice("type", CAMERA_TYPES, "simple")
    moves = camera.object("config")
    values = {move: moves.number(move) or 0 for move in CAMERA_MOVES}
    given = [move for move, value in values.items() if value]
    if any(not -10 <= value <= 10 for value in values.values()):
        raise invalid("camera_control.config values must be between -10 and 10")
    if kind == "simple" and len(given) != 1:
        raise invalid("camera_control.config must have exactly one value that is not zero")
    if kind != "simple" and camera.raw.get("config"):
        raise invalid(f"camera_control.config must be empty for type {kind}")
    if not supported:
        raise invalid(f"model/mode/duration({combination}) is not supported with camera control")


def _pictures(fields: Fields, name: str, mode: str, *, sound: bool) -> images.Image:
    first = fields.raw.get("image")
    last = fields.raw.get("image_tail")
    if not first and not last:
        raise invalid("image is required")
    masks = _masks(fields)
    if sum((bool(last), bool(masks), bool(fields.raw.get("camera_control")))) > 1:
        raise invalid("image_tail, masks and camera_control cannot be used together")
    if last and name in ("kling-v2-6", "kling-v2-5-turbo", "kling-v1-6", "kling-v2-1") and mode != "pro":
        raise invalid(f"image_tail requires mode pro for model {name}")
    if last and name == "kling-v2-6" and sound:
        raise invalid("image_tail requires sound off for model kling-v2-6")
    pictures = [
        images.read(value, key, legacy=True)
        for key, value in (("image", first), ("image_tail", last), *masks)
        if value
    ]
    return next((picture for picture in pictures if picture.failure_message), pictures[0])


def _masks(fields: Fields) -> list[tuple[str, Any]]:
    """The motion brush: one mask for what stands still, up to six that move along 2 to 77 points."""
    static, dynamic = fields.raw.get("static_mask"), fields.items("dynamic_masks")
    if len(dynamic) > 6:
        raise invalid("dynamic_masks can have at most 6 masks")
    masks = [("static_mask", static)] if static else []
    for index, entry in enumerate(dynamic):
        mask = Fields(entry, f"dynamic_masks[{index}]")
        points = [Fields(point, mask.name("trajectories")) for point in mask.items("trajectories")]
        if not 2 <= len(points) <= 77:
            raise invalid(f"{mask.name('trajectories')} must have 2 to 77 points")
        if any(point.number(axis) is None for point in points for axis in ("x", "y")):
            raise invalid(f"{mask.name('trajectories')} must have x and y")
        if not mask.raw.get("mask"):
            raise invalid(f"{mask.name('mask')} is required")
        masks.append((mask.name("mask"), mask.raw["mask"]))
    return masks


def _info(task: Task, *, echo: bool) -> dict[str, str]:
    return {"external_task_id": task.request.external_id} if echo and task.request.external_id else {}


def create_answer(task: Task, now: float, *, echo: bool) -> dict[str, Any]:
    """``data`` of a create; ``task_info`` is an empty object without an external id (recorded)."""
    return {
        "task_id": task.id,
        "task_status": "submitted",
        "task_info": _info(task, echo=echo),
        "created_at": milliseconds(task.created),
        "updated_at": milliseconds(task.created),
    }


def task_answer(
    task: Task, now: float, sign: Sign, *, echo: bool, status: str | None = None
) -> dict[str, Any]:
    """``data`` of a query; a failure's reason is in ``task_status_msg`` alone (recorded)."""
    state = task.state(now)
    result: dict[str, Any] = {}
    if state == "succeeded":
        film = {"id": task.output_id, "url": sign(task, False), "duration": task.film_seconds}
        if task.request.watermark:
            film["watermark_url"] = sign(task, True)
        result = {"videos": [film]}
    ended: dict[str, Any] = {}
    if state in ("succeeded", "failed"):
        ended["final_unit_deduction"] = amount(task.price) if state == "succeeded" else "0"
    if task.request.watermark:
        ended["watermark_info"] = {"enabled": True}
    return {
        "task_id": task.id,
        "task_status": status or STATES.get(state, state),
        "task_info": _info(task, echo=echo),
        "task_result": result,
        "task_status_msg": task.message if state == "failed" else "",
        "created_at": milliseconds(task.created),
        "updated_at": milliseconds(task.updated(now)),
        **ended,
    }


def callback_body(task: Task, now: float, sign: Sign) -> dict[str, Any]:
    """A legacy callback: the bare object, whose result has every kind of list (recorded 2025-12)."""
    body = task_answer(task, now, sign, echo=True)
    if body["task_result"]:
        body["task_result"] = {"images": [], **body["task_result"], "audios": []}
    return body

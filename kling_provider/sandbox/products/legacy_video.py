# SPDX-License-Identifier: Apache-2.0
"""The bodies of videos in the legacy design, under ``/v1/videos``: ``model_name``, and durations as text."""

from __future__ import annotations

from typing import Any

from kling_provider.sandbox.http.errors import InvalidParameter
from kling_provider.sandbox.http.fields import Fields
from kling_provider.sandbox.media import inputs
from kling_provider.sandbox.products.models import (
    CAMERA_MODELS,
    IMAGE,
    LEGACY_DEFAULT,
    LEGACY_NAMES,
    MODELS,
    RETIRED,
    TEXT,
)
from kling_provider.sandbox.products.prices import Rate
from kling_provider.sandbox.products.video import VideoSettings
from kling_provider.sandbox.state.tasks import CreateRequest

RESOLUTION_OF_MODE = {"std": "720p", "pro": "1080p", "4k": "4k"}
_CAMERA_TYPES = ("simple", "down_back", "forward_up", "right_turn_forward", "left_turn_forward")
_CAMERA_MOVES = ("horizontal", "vertical", "pan", "tilt", "roll", "zoom")
_ELEMENTS = MODELS[LEGACY_NAMES["kling-v3"]].elements
"""Elements belong to v3, the only legacy name that takes any."""


def read_create(product: str, body: object, *, lenient: bool = False) -> CreateRequest:
    """Check a create body of ``text2video`` or ``image2video``.

    :param lenient: as resellers do it: retired models go on, whole numbers may be numbers.
    """
    fields = Fields(body)
    name = read_model_name(fields, product, lenient=lenient)
    model = LEGACY_NAMES.get(name, name)
    mode = fields.read_choice("mode", tuple(RESOLUTION_OF_MODE), "std")
    if mode == "4k" and name != "kling-v3":
        raise InvalidParameter(f"mode 4k is not supported by model {name}")
    prompt = read_prompt(fields, name, required=product == TEXT)
    duration = read_duration(fields, name, lenient=lenient)
    sound = fields.read_choice("sound", ("on", "off"), "off") == "on"
    if sound and name not in ("kling-v3", "kling-v2-6"):
        raise InvalidParameter(f"sound is not supported by model {name}")
    if sound and name == "kling-v2-6" and mode != "pro":
        raise InvalidParameter("sound requires mode pro for model kling-v2-6")
    cfg_scale = fields.read_number("cfg_scale")  # later models ignore the value, its range is still checked
    if cfg_scale is not None and not 0 <= cfg_scale <= 1:
        raise InvalidParameter("cfg_scale must be between 0 and 1")
    if len(fields.read_text("negative_prompt") or "") > 2500:
        raise InvalidParameter("negative_prompt cannot exceed 2500 characters")
    _check_camera(fields, f"{name}/{mode}/{duration}", supported=name in CAMERA_MODELS)
    first = _check_images(fields, name, mode, sound=sound) if product == IMAGE else None
    elements = [Fields(entry, "element_list") for entry in fields.read_list("element_list")]
    if len(elements) > _ELEMENTS:
        raise InvalidParameter(f"element_list can have at most {_ELEMENTS} elements")
    voices = [Fields(entry, "voice_list") for entry in fields.read_list("voice_list")]
    if len(voices) > 2 or (voices and not sound):
        raise InvalidParameter("voice_list takes at most 2 voices and requires sound on")
    rate: Rate = "silent"
    if sound:
        rate = "voice" if voices and name == "kling-v2-6" else "native"
    aspect_ratio = (
        fields.read_choice("aspect_ratio", ("16:9", "9:16", "1:1"), "16:9") if product == TEXT else None
    )
    return CreateRequest(
        dialect="legacy",
        product=product,
        model=model,
        model_name=name,
        prompt=prompt,
        settings=VideoSettings(
            duration=duration,
            resolution=RESOLUTION_OF_MODE[mode],
            aspect_ratio=aspect_ratio,
            sound=sound,
            rate=rate,
        ).to_json(),
        image=first,
        elements=[str(element.raw.get("element_id")) for element in elements],
        voices=[str(voice.raw.get("voice_id")) for voice in voices],
        external_id=fields.read_text("external_task_id"),
        callback_url=fields.read_text("callback_url"),
        watermark=fields.read_object("watermark_info").read_flag("enabled") or False,
        failure_message=first.failure_message if first is not None else None,
        body=fields.raw,
    )


def read_model_name(fields: Fields, product: str, *, lenient: bool = False) -> str:
    """Return the name of a model that the product has; a key ``model`` is ignored (documented)."""
    name = fields.read_text("model_name") or LEGACY_DEFAULT
    if name in RETIRED:
        if not lenient:
            raise InvalidParameter(
                f"The model '{name}' has been discontinued and is no longer available."
            )  # observed
    elif name not in LEGACY_NAMES or product not in MODELS[LEGACY_NAMES[name]].products:
        raise InvalidParameter("model is not supported")
    return name


def read_prompt(fields: Fields, name: str, *, required: bool) -> str:
    """Return the prompt, or those of the shots where it has none of its own."""
    prompt = fields.read_text("prompt") or ""
    if len(prompt) > 2500:  # the shots of multi_prompt have a limit of their own
        raise InvalidParameter("prompt cannot exceed 2500 characters")
    shots = fields.read_list("multi_prompt")
    if fields.read_flag("multi_shot"):
        if name not in LEGACY_NAMES or not MODELS[LEGACY_NAMES[name]].multi_shot:
            raise InvalidParameter(f"multi_shot is not supported by model {name}")
        fields.read_choice("shot_type", ("customize", "intelligence"), "customize")
        texts = [
            Fields(shot, f"multi_prompt[{index}]").read_text("prompt") or ""
            for index, shot in enumerate(shots)
        ]
        if any(len(text) > 512 for text in texts):
            raise InvalidParameter("the prompt of a shot cannot exceed 512 characters")
        prompt = prompt or " / ".join(texts)
    if not prompt.strip() and required:
        raise InvalidParameter("prompt is required")  # observed on the new standard
    return prompt


def read_duration(fields: Fields, name: str, *, lenient: bool) -> int:
    """Return the seconds: text on Kling; resellers were seen to take numbers as well."""
    value = fields.raw.get("duration")
    if value is None:
        return 5
    if lenient and isinstance(value, int | float) and not isinstance(value, bool):
        value = f"{value:g}"
    if not isinstance(value, str):
        raise InvalidParameter("duration must be a string")
    known = MODELS.get(LEGACY_NAMES.get(name, name))
    allowed = {str(seconds) for seconds in (known.seconds if known else (5, 10))}
    if value not in allowed:
        raise InvalidParameter(f"duration must be one of {', '.join(sorted(allowed, key=int))}")
    return int(value)


def _check_camera(fields: Fields, combination: str, *, supported: bool) -> None:
    """Check the camera: one of five types; ``config`` belongs to ``simple``, with exactly one move in [-10, 10]."""
    if fields.raw.get("camera_control") is None:
        return
    camera = fields.read_object("camera_control")
    kind = camera.read_choice("type", _CAMERA_TYPES, "simple")
    moves = camera.read_object("config")
    values = {move: moves.read_number(move) or 0 for move in _CAMERA_MOVES}
    given = [move for move, value in values.items() if value]
    if any(not -10 <= value <= 10 for value in values.values()):
        raise InvalidParameter("camera_control.config values must be between -10 and 10")
    if kind == "simple" and len(given) != 1:
        raise InvalidParameter("camera_control.config must have exactly one value that is not zero")
    if kind != "simple" and camera.raw.get("config"):
        raise InvalidParameter(f"camera_control.config must be empty for type {kind}")
    if not supported:
        raise InvalidParameter(f"model/mode/duration({combination}) is not supported with camera control")


#: Models that take a last frame in mode pro only (Kling docs, capability map).
_TAIL_IN_PRO = frozenset({"kling-v2-6", "kling-v2-5-turbo", "kling-v2-1", "kling-v1-6", "kling-v1-5"})


def _check_images(fields: Fields, name: str, mode: str, *, sound: bool) -> inputs.InputImage:
    first = fields.raw.get("image")
    last = fields.raw.get("image_tail")
    if not first and not last:
        raise InvalidParameter("image is required")
    masks = _read_masks(fields)
    if sum((bool(last), bool(masks), bool(fields.raw.get("camera_control")))) > 1:
        raise InvalidParameter("image_tail, masks and camera_control cannot be used together")
    if last and name in _TAIL_IN_PRO and mode != "pro":
        raise InvalidParameter(f"image_tail requires mode pro for model {name}")
    if last and name == "kling-v2-6" and sound:
        raise InvalidParameter("image_tail requires sound off for model kling-v2-6")
    images = [
        inputs.read_image(value, key, legacy=True)
        for key, value in (("image", first), ("image_tail", last), *masks)
        if value
    ]
    return next((image for image in images if image.failure_message), images[0])


def _read_masks(fields: Fields) -> list[tuple[str, Any]]:
    """Read the motion brush: one mask for what stands still, up to six that move along 2 to 77 points."""
    static, dynamic = fields.raw.get("static_mask"), fields.read_list("dynamic_masks")
    if len(dynamic) > 6:
        raise InvalidParameter("dynamic_masks can have at most 6 masks")
    masks = [("static_mask", static)] if static else []
    for index, entry in enumerate(dynamic):
        mask = Fields(entry, f"dynamic_masks[{index}]")
        points = [Fields(point, mask.name_field("trajectories")) for point in mask.read_list("trajectories")]
        if not 2 <= len(points) <= 77:
            raise InvalidParameter(f"{mask.name_field('trajectories')} must have 2 to 77 points")
        if any(point.read_number(axis) is None for point in points for axis in ("x", "y")):
            raise InvalidParameter(f"{mask.name_field('trajectories')} must have x and y")
        if not mask.raw.get("mask"):
            raise InvalidParameter(f"{mask.name_field('mask')} is required")
        masks.append((mask.name_field("mask"), mask.raw["mask"]))
    return masks

# SPDX-License-Identifier: Apache-2.0
"""The bodies of DMXAPI's ``POST /v1/responses``: three forms, which follow from the model.

``v2.6`` and ``v3`` have the legacy design's names, with ``input`` for the prompt; ``bailian`` has the words of Alibaba
Bailian. Fields, types and values are those of DMXAPI's pages of 2026; what they do not name is refused here, since
nobody has seen what the host does with it. Each body is written as Kling's legacy one, which is checked like any other.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from kling_provider.sandbox.endpoints.gateways.ids import TSK, UUID, IdForm
from kling_provider.sandbox.http.errors import InvalidParameter
from kling_provider.sandbox.http.fields import Fields
from kling_provider.sandbox.products import Product
from kling_provider.sandbox.products.models import IMAGE, OMNI, TEXT
from kling_provider.sandbox.state.tasks import CreateRequest

_RATIOS = ("16:9", "9:16", "1:1")
_SHOT_TYPES = ("customize", "intelligence")
_SECONDS = range(3, 16)

_V26_FIELDS = (
    "model",
    "input",
    "negative_prompt",
    "mode",
    "sound",
    "aspect_ratio",
    "duration",
    "callback_url",
)
_V3_FIELDS = (
    "model",
    "input",
    "negative_prompt",
    "mode",
    "sound",
    "duration",
    "cfg_scale",
    "multi_shot",
    "shot_type",
    "element_list",
    "voice_list",
    "watermark_info",
)
_MEDIA_TYPES = ("first_frame", "last_frame")

Translate = Callable[[str, Fields], tuple[str, dict[str, Any]]]
"""(model, body) -> the name of the product and its legacy body"""


@dataclass(frozen=True, kw_only=True)
class RouteForm:
    """One of the three forms.

    :param route: what its tasks are kept under.
    :param readers: the models that read a task, and the product that they are for; None: all.
    :param tokens: how many tokens of ``usage`` are one unit (fits every recorded answer).
    :param ids: None: Kling's own.
    """

    route: str
    models: tuple[str, ...]
    readers: Mapping[str, str | None]
    tokens: int
    ids: IdForm | None
    translate: Translate

    def read_create(self, products: Mapping[str, Product], model: str, body: dict[str, Any]) -> CreateRequest:
        """Check the body of a create.

        :raises ApiError: the gateway or Kling refuses it, and nothing is made.
        """
        name, legacy = self.translate(model, Fields(body))
        request = products[name].read_request("legacy", legacy)
        return replace(request, model_name=model, route=self.route, body=body)


def _translate_v26(model: str, fields: Fields) -> tuple[str, dict[str, Any]]:
    """Write a body of ``v2.6``: lengths are numbers, and with an image the sound is on unless it says otherwise."""
    with_image = model.endswith("image2video")
    check_fields(
        fields, (*_V26_FIELDS, *(("image", "image_tail", "voice_list") if with_image else ())), model
    )
    duration = fields.read_integer("duration")
    if duration not in (None, 5, 10):
        raise InvalidParameter("duration must be one of 5, 10")
    voices = [
        Fields(entry, f"voice_list[{index}]") for index, entry in enumerate(fields.read_list("voice_list"))
    ]
    for voice in voices:
        check_fields(voice, ("voiceId",), model)
    return IMAGE if with_image else TEXT, {
        "model_name": "kling-v2-6",
        "prompt": read_prompt(fields),
        "negative_prompt": fields.read_text("negative_prompt"),
        "mode": fields.read_choice("mode", ("std", "pro"), "std"),
        "sound": fields.read_choice("sound", ("on", "off"), "on" if with_image else "off"),
        "aspect_ratio": fields.read_choice("aspect_ratio", _RATIOS, "16:9"),
        "duration": str(duration or 5),
        "callback_url": fields.read_text("callback_url"),
        "voice_list": [{"voice_id": voice.read_text("voiceId")} for voice in voices],
        **_take_present(fields, ("image", "image_tail")),
    }


def _translate_v3(model: str, fields: Fields) -> tuple[str, dict[str, Any]]:
    """Write a body of ``v3``: the shots of a text are in ``multi_prompt``, those of an image in ``input`` itself."""
    with_image = bool(fields.raw.get("image") or fields.raw.get("image_tail"))
    own = ("image", "image_tail") if with_image else ("image", "image_tail", "aspect_ratio", "multi_prompt")
    check_fields(fields, (*_V3_FIELDS, *own), model)
    check_fields(fields.read_object("watermark_info"), ("enabled",), model)
    duration = _read_seconds_text(fields, "duration", "5")
    shots: list[dict[str, Any]] = []
    if fields.read_flag("multi_shot"):
        if fields.read_choice("shot_type", _SHOT_TYPES, "") == "":
            raise InvalidParameter("shot_type is required with multi_shot")
        if fields.raw["shot_type"] == "customize":
            shots = _read_shots(fields, "input" if with_image else "multi_prompt", int(duration), text=True)
    if shots and with_image:
        prompt = ""
    else:
        prompt = read_prompt(fields)
    elements, voices = fields.read_list("element_list"), fields.read_list("voice_list")
    if elements and voices:
        raise InvalidParameter("element_list and voice_list cannot be used together")
    return IMAGE if with_image else TEXT, {
        "model_name": "kling-v3",
        "prompt": prompt,
        "multi_prompt": shots,
        "duration": duration,
        "element_list": _read_elements(fields, model),
        **_take_present(
            fields,
            ("negative_prompt", "mode", "sound", "cfg_scale", "aspect_ratio", "image", "image_tail"),
            ("multi_shot", "shot_type", "voice_list", "watermark_info"),
        ),
    }


def _translate_bailian(model: str, fields: Fields) -> tuple[str, dict[str, Any]]:
    """Write a body of ``bailian``: ``input`` and ``parameters``, pictures as ``media``, whole numbers and booleans."""
    check_fields(fields, ("model", "input", "parameters"), model)
    given, parameters = fields.read_object("input"), fields.read_object("parameters")
    names = ("prompt", "media", "multi_shot", "shot_type", "multi_prompt", "element_list")
    check_fields(given, names, model)
    check_fields(parameters, ("mode", "aspect_ratio", "duration", "audio", "watermark"), model)
    duration = parameters.read_integer("duration")
    duration = 5 if duration is None else duration
    if duration not in _SECONDS:
        raise InvalidParameter("parameters.duration must be between 3 and 15")
    shots: list[dict[str, Any]] = []
    shot_type = given.read_choice("shot_type", _SHOT_TYPES, "")
    if given.read_flag("multi_shot"):
        if not shot_type:
            raise InvalidParameter("input.shot_type is required with input.multi_shot")
        if shot_type == "customize":
            shots = _read_shots(given, "multi_prompt", duration, text=False)
    frames = _read_media(given)
    legacy = {
        "prompt": given.read_text("prompt"),
        "mode": parameters.read_choice("mode", ("std", "pro"), "pro"),
        "aspect_ratio": parameters.read_choice("aspect_ratio", _RATIOS, "16:9"),
        "duration": str(duration),
        "sound": "on" if parameters.read_flag("audio") else "off",
        "watermark_info": {"enabled": parameters.read_flag("watermark") or False},
        "element_list": _read_elements(given, model),
        "multi_shot": given.read_flag("multi_shot"),
        "shot_type": shot_type,
        "multi_prompt": shots,
    }
    if model == "kling-v3-omni-video-generation":
        types = {"first_frame": "first_frame", "last_frame": "end_frame"}
        pictures = [{"image_url": url, "type": types[kind]} for kind, url in frames.items()]
        return OMNI, {**legacy, "model_name": "kling-v3-omni", "image_list": pictures}
    pictures_of = {"image": frames.get("first_frame"), "image_tail": frames.get("last_frame")}
    return IMAGE if frames else TEXT, {**legacy, "model_name": "kling-v3", **pictures_of}


def check_fields(fields: Fields, known: tuple[str, ...], model: str) -> None:
    """Refuse what the model's page does not name.

    :raises InvalidParameter: with the first such key.
    """
    for key in fields.raw:
        if key not in known:
            raise InvalidParameter(f"{fields.name_field(key)} is not a field of model {model}")


def read_prompt(fields: Fields) -> str:
    """Return ``input``, which must be there; with an image it may be empty."""
    if fields.raw.get("input") is None:
        raise InvalidParameter("input is required")
    return fields.read_text("input") or ""


def _read_seconds_text(fields: Fields, key: str, default: str) -> str:
    """Return a length of 3 to 15 seconds, which is a text here."""
    text = fields.read_text(key) or default
    if text not in {str(seconds) for seconds in _SECONDS}:
        raise InvalidParameter(f"{fields.name_field(key)} must be one of 3 to 15, as a string")
    return text


def _read_shots(fields: Fields, key: str, seconds: int, *, text: bool) -> list[dict[str, Any]]:
    """Return one to six shots that fill the length.

    :param text: their lengths are texts; else whole numbers.
    """
    found, total = fields.read_list(key), 0
    if not 1 <= len(found) <= 6:
        raise InvalidParameter(f"{fields.name_field(key)} must have 1 to 6 shots")
    for place, entry in enumerate(found, 1):
        shot = Fields(entry, f"{fields.name_field(key)}[{place - 1}]")
        check_fields(shot, ("index", "prompt", "duration"), "shots")
        if shot.read_integer("index") != place:
            raise InvalidParameter(f"{shot.name_field('index')} must be {place}")
        if not 1 <= len(shot.read_text("prompt") or "") <= 512:
            raise InvalidParameter(f"{shot.name_field('prompt')} must have 1 to 512 characters")
        length = shot.read_text("duration") if text else shot.read_integer("duration")
        if length is None or not re.fullmatch(r"[0-9]{1,9}", str(length)) or int(length) < 1:
            raise InvalidParameter(f"{shot.name_field('duration')} must be at least 1")
        total += int(length)
    if total != seconds:
        raise InvalidParameter(f"the durations of {fields.name_field(key)} must add up to {seconds}")
    return found


def _read_elements(fields: Fields, model: str) -> list[dict[str, Any]]:
    """Return the elements, of which there may be three."""
    found = fields.read_list("element_list")
    if len(found) > 3:
        raise InvalidParameter(f"{fields.name_field('element_list')} can have at most 3 elements")
    for index, entry in enumerate(found):
        element = Fields(entry, f"{fields.name_field('element_list')}[{index}]")
        check_fields(element, ("element_id",), model)
        value = element.raw.get("element_id")
        if isinstance(value, bool) or not isinstance(value, int | str) or not str(value).isdecimal():
            raise InvalidParameter(f"{element.name_field('element_id')} must be an integer")
    return found


def _read_media(fields: Fields) -> dict[str, str]:
    """Return the URL of each frame; a last one needs a first one."""
    frames: dict[str, str] = {}
    for index, entry in enumerate(fields.read_list("media")):
        one = Fields(entry, f"{fields.name_field('media')}[{index}]")
        check_fields(one, ("type", "url"), "media")
        kind, url = one.read_choice("type", _MEDIA_TYPES, ""), one.read_text("url") or ""
        if not kind or kind in frames:
            raise InvalidParameter(f"{one.name_field('type')} must be one first_frame or one last_frame")
        if not url.startswith(("http://", "https://")):
            raise InvalidParameter(f"{one.name_field('url')} must be a url")
        frames[kind] = url
    if "last_frame" in frames and "first_frame" not in frames:
        raise InvalidParameter("last_frame requires first_frame")
    return frames


def _take_present(fields: Fields, *names: tuple[str, ...]) -> dict[str, Any]:
    """Return the fields that are there, as they are; the legacy body's own checks are for them."""
    return {name: fields.raw[name] for part in names for name in part if fields.raw.get(name) is not None}


FORMS = (
    RouteForm(
        route="responses v2.6",
        models=("kling-v2-6-text2video", "kling-v2-6-image2video"),
        readers={"kling-text2video-get": TEXT, "kling-image2video-get": IMAGE},
        tokens=850,
        ids=None,
        translate=_translate_v26,
    ),
    RouteForm(
        route="responses v3",
        models=("kling-v3",),
        readers={"kling-v3-get-all": None},
        tokens=10_000,
        ids=TSK,
        translate=_translate_v3,
    ),
    RouteForm(
        route="responses bailian",
        models=("kling-v3-video-generation", "kling-v3-omni-video-generation"),
        readers={"kling-v3-get": None},
        tokens=10_000,
        ids=UUID,
        translate=_translate_bailian,
    ),
)


def find_form(model: object) -> RouteForm | None:
    """Return the form of a model that makes or reads tasks; None for any other."""
    return next((form for form in FORMS if model in (*form.models, *form.readers)), None)

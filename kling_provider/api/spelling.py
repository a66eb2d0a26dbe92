# SPDX-License-Identifier: Apache-2.0
"""Legacy names -> our vocabulary. Two spellings of one thing in one request are an error, not a guess."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from kling_provider.api.problems import Problem

if TYPE_CHECKING:
    from kling_provider.api.requests.base import KlingRequest

_MODES = {"std": "720p", "pro": "1080p", "4k": "4k"}


def _translate_mode(value: Any) -> Any:
    if isinstance(value, str) and value.lower() in _MODES:
        return _MODES[value.lower()]
    raise ValueError("must be one of: std (720p), pro (1080p), 4k")


def _translate_sound(value: Any) -> Any:
    word = str(value).lower()
    if word in ("on", "yes", "true", "1"):
        return "native"
    if word in ("off", "no", "false", "0"):
        return "off"
    raise ValueError("must be on or off")


def _translate_watermark(value: Any) -> Any:
    if isinstance(value, Mapping) and set(value) == {"enabled"}:
        return value["enabled"]
    raise ValueError("must be {'enabled': true or false}, or write watermark: true")


def _keep_value(value: Any) -> Any:
    return value


_LEGACY: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "model_name": ("model", _keep_value),
    "mode": ("resolution", _translate_mode),
    "sound": ("audio", _translate_sound),
    "image": ("first_frame", _keep_value),
    "image_tail": ("last_frame", _keep_value),
    "element_list": ("elements", _keep_value),
    "voice_list": ("voices", _keep_value),
    "watermark_info": ("watermark", _translate_watermark),
}

#: Parts of a wire body that people paste in; each would reach Kling nowhere.
_WIRE = {
    "settings": "is a part of Kling's body; write its keys directly: resolution, aspect_ratio, duration, audio",
    "options": "is a part of Kling's body; write callback_url, external_task_id, watermark directly",
    "contents": "is a part of Kling's body; write its items directly: prompt, first_frame, elements, reference_images",
    "element_image_list": "is a part of Kling's body; write its images directly: frontal_image, reference_images",
    "element_video_list": "is a part of Kling's body; write its video directly: video",
    "element_refer_list": "is a part of Kling's body; write its images directly: reference_images",
    "tag_list": "is a part of Kling's body; write its ids directly: tags",
    "input": "is a part of Kling's body; write its keys directly",
    "n": "Kling makes one result per task of this type; ask for more with variants in a prompt file, or with take",
    "seed": "Kling accepts no seed; raise take for another result of the same prompt",
}


def translate_fields(
    data: Mapping[str, Any], cls: type[KlingRequest] | None = None
) -> tuple[dict[str, Any], list[Problem]]:
    """Translate a request from legacy names to the standard API's, and list what could not be translated.

    :param cls: the class of its type, whose own names stay: ``image`` is a first frame of most videos, and an input of its
        own elsewhere.
    """
    fields: dict[str, Any] = {}
    problems: list[Problem] = []
    own = () if cls is None else cls.field_names()
    for key, value in data.items():
        found = None if key in own else _find_translation(str(key), cls)
        if found is None:
            if key in _WIRE and key not in own:
                problems.append(Problem(key, None, _WIRE[key]))
            else:
                fields[str(key)] = value
            continue
        ours, convert = found
        if ours in data:
            message = (
                f"must not be beside {ours}: it is the legacy name of the same field; write only one of them"
            )
            problems.append(Problem(key, value, message))
            continue
        try:
            fields[ours] = convert(value)
        except ValueError as error:
            problems.append(Problem(key, value, str(error)))
    return fields, problems


def _find_translation(key: str, cls: type[KlingRequest] | None) -> tuple[str, Callable[[Any], Any]] | None:
    found = _LEGACY.get(key)
    if cls is None or (found is not None and found[0] in cls.field_names()):
        return found
    # A field that only other types have is translated, too: the message about it names those.
    return list_wire_names(cls).get(key) or found


@cache
def list_wire_names(cls: type[KlingRequest]) -> dict[str, tuple[str, Callable[[Any], Any]]]:
    """Return the fields that the legacy API calls otherwise, by its name: ``effect_scene`` of ``scene``."""
    return {
        wire.legacy: (
            name,
            partial(_translate_value, {value: ours for ours, value in (wire.legacy_values or {}).items()}),
        )
        for name, wire in cls.find_wires().items()
        if wire.legacy is not None and wire.legacy.isidentifier() and wire.legacy != name
    }


def _translate_value(values: Mapping[Any, Any], value: Any) -> Any:
    return values.get(value, value) if isinstance(value, str) else value


def legacy_names() -> tuple[str, ...]:
    """Return the legacy names that :func:`translate_fields` accepts for most types."""
    return tuple(_LEGACY)


def to_field_name(name: str, cls: type[KlingRequest] | None = None) -> str:
    """Return the field's name for a key in either spelling; an unknown key stays.

    :param cls: the class of the request's type, if it is known.
    """
    if cls is not None and name in cls.field_names():
        return name
    found = _find_translation(name, cls)
    return name if found is None else found[0]

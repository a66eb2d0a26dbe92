# SPDX-License-Identifier: Apache-2.0
"""Legacy names -> our vocabulary. Two spellings of one thing in one request are an error, not a guess."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from kling_provider.api.problems import Problem

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
    "contents": "is a part of Kling's body; write prompt, first_frame, last_frame, elements, voices directly",
    "n": "Kling makes one video per task; ask for more with variants in a prompt file, or with take",
    "seed": "Kling accepts no seed; raise take for another video of the same prompt",
}


def translate_fields(data: Mapping[str, Any]) -> tuple[dict[str, Any], list[Problem]]:
    """Translate a request from legacy names to the standard API's, and list what could not be translated."""
    fields: dict[str, Any] = {}
    problems: list[Problem] = []
    for key, value in data.items():
        if key in _WIRE:
            problems.append(Problem(key, None, _WIRE[key]))
        elif key in _LEGACY:
            ours, convert = _LEGACY[key]
            if ours in data:
                problems.append(
                    Problem(
                        key,
                        value,
                        f"must not be beside {ours}: it is the legacy name of the same field; write only one of them",
                    )
                )
                continue
            try:
                fields[ours] = convert(value)
            except ValueError as error:
                problems.append(Problem(key, value, str(error)))
        else:
            fields[str(key)] = value
    return fields, problems


def legacy_names() -> tuple[str, ...]:
    """Return the legacy names that :func:`translate_fields` accepts."""
    return tuple(_LEGACY)


def to_field_name(name: str) -> str:
    """Return the field's name for a key in either spelling; an unknown key stays."""
    return _LEGACY[name][0] if name in _LEGACY else name

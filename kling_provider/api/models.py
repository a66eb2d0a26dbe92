# SPDX-License-Identifier: Apache-2.0
"""What each model can do (Kling's capability map of 2026-05-19 and its endpoint pages).

The list is open: a name that is not here passes through with type checks only, because models appear and
retire without notice. Names are the standard API's; :func:`canonical` knows the legacy ones.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass

_P = ("720p", "1080p")
_P4K = (*_P, "4k")
_SHAPES = ("16:9", "9:16", "1:1")
_TO_15 = tuple(range(3, 16))


@dataclass(frozen=True, slots=True)
class Model:
    """One model's rules. An empty ``audio`` means that the model has no such switch."""

    name: str
    legacy_name: str | None
    resolutions: tuple[str, ...]
    durations: tuple[int, ...]
    audio: tuple[str, ...] = ()
    #: Sound comes whether asked or not, and is billed.
    always_audio: bool = False
    aspect_ratios: tuple[str, ...] = _SHAPES
    last_frame: bool = True
    multi_shot: bool = False
    elements: int = 0
    voices: int = 0
    #: ``cfg_scale`` and ``camera_control`` belong to the v1 models (legacy docs, February 2026).
    v1_controls: bool = False
    #: The standard API serves it (the retired ones live on at gateways, in the legacy dialect).
    standard: bool = True
    prompt_limit: int = 2500
    #: The same for ``image_to_video``, where it is another one.
    image_prompt_limit: int | None = None
    #: The same for a prompt all in another script than Latin; ``None`` where every character counts alike.
    other_script_limit: int | None = None
    text_to_video: bool = True

    @property
    def sound_field(self) -> bool:
        return bool(self.audio)


def _old(name: str, *resolutions: str, text: bool = True, v1: bool = False) -> Model:
    return Model(
        name,
        name,
        resolutions or _P,
        (5, 10),
        v1_controls=v1,
        standard=False,
        text_to_video=text,
    )


_MODELS = (
    Model(
        "kling-3.0-turbo",
        None,
        _P,
        _TO_15,
        always_audio=True,
        last_frame=False,
        prompt_limit=3072,
        image_prompt_limit=2500,
    ),
    Model(
        "kling-3.0",
        "kling-v3",
        _P4K,
        _TO_15,
        audio=("native", "off"),
        multi_shot=True,
        elements=3,
        voices=2,
        prompt_limit=3072,
    ),
    Model("kling-2.6", "kling-v2-6", _P, (5, 10), audio=("native", "off"), voices=2),
    Model("kling-2.5-turbo", "kling-v2-5-turbo", _P, (5, 10)),
    # Kling 4.0: known from gateways' pages only (state of November 2026).
    Model(
        "kling-4.0",
        None,
        _P,
        tuple(range(3, 31)),
        always_audio=True,
        aspect_ratios=(*_SHAPES, "21:9"),
        prompt_limit=26000,
        other_script_limit=11000,
    ),
    Model(
        "kling-4.0-flash",
        None,
        ("720p",),
        tuple(range(3, 21)),
        always_audio=True,
        aspect_ratios=(*_SHAPES, "21:9"),
        last_frame=False,
        prompt_limit=26000,
        other_script_limit=11000,
    ),
    _old("kling-v1", v1=True),
    _old("kling-v1-5", text=False, v1=True),
    _old("kling-v1-6", v1=True),
    _old("kling-v2-master"),
    _old("kling-v2-1", text=False),
    _old("kling-v2-1-master"),
)

_BY_NAME = {model.name: model for model in _MODELS} | {
    model.legacy_name: model for model in _MODELS if model.legacy_name
}

#: Omni models share the legacy spelling rule, but are not of these two request kinds.
_OTHER_LEGACY = {"kling-v3-omni": "kling-3.0-omni", "kling-video-o1": "kling-o1"}


def known_model(name: str) -> Model | None:
    """The rules of ``name`` in either spelling; ``None`` for a name that is not in the table."""
    return _BY_NAME.get(name)


def is_of_another_kind(name: str) -> bool:
    """Whether ``name`` is a model whose requests have types of their own, with none of the v1 models' controls."""
    return name in _OTHER_LEGACY or name in _OTHER_LEGACY.values()


def canonical(name: str) -> str:
    """The standard API's spelling of a model, so that both dialects mean the same one."""
    model = _BY_NAME.get(name)
    return model.name if model else _OTHER_LEGACY.get(name, name)


def legacy_name(name: str) -> str:
    """The legacy API's spelling of a model in the standard one's; a name that we do not know stays."""
    model = _BY_NAME.get(name)
    if model is not None:
        return model.legacy_name or name
    return next((legacy for legacy, standard in _OTHER_LEGACY.items() if standard == name), name)


def nearest_current(name: str) -> str:
    """The model in use at Kling whose name is nearest, in both spellings: what to write for one that is unknown there."""
    current = {
        spelling: model
        for model in _MODELS
        if model.standard and model.name != canonical(name) and not model.name.startswith("kling-4")
        for spelling in (model.name, model.legacy_name)
        if spelling
    }
    (near,) = difflib.get_close_matches(name, current, n=1, cutoff=0.0)
    model = current[near]
    return f"{model.name} ({model.legacy_name})" if model.legacy_name else model.name


def model_names() -> tuple[str, ...]:
    """The names in the table, both spellings, for suggestions."""
    return tuple(_BY_NAME)

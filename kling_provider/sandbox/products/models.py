# SPDX-License-Identifier: Apache-2.0
"""What each video model can do (Kling docs, capability map and endpoint pages, state of September 2026).

The rows of Kling 4.0 are second-hand: they follow the pages of gateways that say the schema is Kling's own.
"""

from __future__ import annotations

from dataclasses import dataclass

TEXT = "text-to-video"
IMAGE = "image-to-video"
OMNI = "omni-video"


@dataclass(frozen=True, kw_only=True)
class SandboxModel:
    """One model version; ``seconds`` are the lengths it really generates (create does not check them)."""

    name: str
    products: tuple[str, ...]
    resolutions: tuple[str, ...] = ("720p", "1080p")
    aspect_ratios: tuple[str, ...] = ("16:9", "9:16", "1:1")
    seconds: frozenset[int]
    audio: tuple[str, ...] = ()
    """Values of ``settings.audio``; empty: the setting does not exist and is ignored."""
    always_audio: bool = False
    multi_shot: bool = False
    last_frame: bool = True
    middle_frames: int = 0
    elements: int = 0
    voices: int = 0
    prompt_limit: int = 2500
    image_prompt_limit: int = 2500
    plain_ids: bool = True
    """False: ``options.external_task_id`` and ``options.callback_url`` are refused."""


def _build_range(low: int, high: int) -> frozenset[int]:
    return frozenset(range(low, high + 1))


MODELS: dict[str, SandboxModel] = {
    model.name: model
    for model in (
        SandboxModel(
            name="kling-3.0-turbo",
            products=(TEXT, IMAGE),
            seconds=_build_range(3, 15),
            always_audio=True,
            last_frame=False,
            prompt_limit=3072,
        ),
        SandboxModel(
            name="kling-3.0",
            products=(TEXT, IMAGE),
            resolutions=("720p", "1080p", "4k"),
            seconds=_build_range(3, 15),
            audio=("native", "off"),
            multi_shot=True,
            elements=3,
            prompt_limit=3072,
            image_prompt_limit=3072,
        ),
        SandboxModel(
            name="kling-3.0-omni",
            products=(OMNI,),
            resolutions=("720p", "1080p", "4k"),
            seconds=_build_range(3, 15),
            audio=("native", "original", "off"),
            multi_shot=True,
            elements=7,
            prompt_limit=3072,
            image_prompt_limit=3072,
        ),
        SandboxModel(
            name="kling-o1",
            products=(OMNI,),
            seconds=_build_range(3, 10),
            audio=("original", "off"),
            elements=7,
        ),
        SandboxModel(
            name="kling-2.6",
            products=(TEXT, IMAGE),
            seconds=frozenset((5, 10)),
            audio=("native", "off"),
            voices=2,
        ),
        SandboxModel(name="kling-2.5-turbo", products=(TEXT, IMAGE), seconds=frozenset((5, 10))),
        SandboxModel(
            name="kling-4.0",
            products=(TEXT, IMAGE, OMNI),
            aspect_ratios=("16:9", "9:16", "1:1", "21:9"),
            seconds=_build_range(3, 30),
            always_audio=True,
            middle_frames=8,
            elements=7,
            voices=3,
            prompt_limit=26_000,
            image_prompt_limit=26_000,
            plain_ids=False,
        ),
        SandboxModel(
            name="kling-4.0-flash",
            products=(TEXT, IMAGE, OMNI),
            resolutions=("720p",),
            aspect_ratios=("16:9", "9:16", "1:1", "21:9"),
            seconds=_build_range(3, 20),
            always_audio=True,
            last_frame=False,
            elements=7,
            voices=3,
            prompt_limit=26_000,
            image_prompt_limit=26_000,
            plain_ids=False,
        ),
    )
}

#: The live host took this spelling on the omni path as well (observed 2026-09).
PATH_ALIASES = {(OMNI, "kling-v3-omni"): "kling-3.0-omni"}

#: Legacy ``model_name`` -> model version. Queue, limit and price belong to the version.
LEGACY_NAMES = {
    "kling-v3": "kling-3.0",
    "kling-v2-6": "kling-2.6",
    "kling-v2-5-turbo": "kling-2.5-turbo",
    "kling-v3-omni": "kling-3.0-omni",
    "kling-video-o1": "kling-o1",
}

#: Discontinued in September 2026. Kling refuses them; resellers went on for a while.
RETIRED = ("kling-v1", "kling-v1-5", "kling-v1-6", "kling-v2-master", "kling-v2-1", "kling-v2-1-master")

#: The models that camera control and cfg_scale were made for (legacy docs).
CAMERA_MODELS = ("kling-v1", "kling-v1-5", "kling-v1-6")

LEGACY_DEFAULT = "kling-v1"
"""Kling docs still name a retired model as the default, so a body without ``model_name`` is refused."""

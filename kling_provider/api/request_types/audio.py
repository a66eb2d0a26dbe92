# SPDX-License-Identifier: Apache-2.0
"""Sounds and speech."""

from __future__ import annotations

from kling_provider.api.price_rules import PerCall
from kling_provider.api.request_types.spec import AtOnceSpec, RequestSpec

SPECS: tuple[RequestSpec, ...] = (
    RequestSpec(
        type="text_to_audio",
        made_by="audio:TextToAudio",
        paths={"legacy": "/v1/audio/text-to-audio"},
        outputs=("audio",),
        price_rule=PerCall("0.25"),
        noun="sound",
        example="text_to_audio.yaml",
    ),
    RequestSpec(
        type="video_to_audio",
        made_by="audio:VideoToAudio",
        paths={"legacy": "/v1/audio/video-to-audio"},
        outputs=("video", "audio"),
        price_rule=PerCall("0.25"),
        noun="sound",
        example="video_to_audio.yaml",
    ),
    AtOnceSpec(
        type="tts",
        made_by="audio:Speech",
        paths={"legacy": "/v1/audio/tts"},
        outputs=("audio",),
        price_rule=PerCall("0.05"),
        noun="speech",
        example="tts.yaml",
    ),
)

# SPDX-License-Identifier: Apache-2.0
"""Talking faces: lip-sync, avatars, recognition of faces and of what an image shows."""

from __future__ import annotations

from kling_provider.api.price_rules import PerBlock, PerCall, PerInputSecond
from kling_provider.api.request_types.preparation import FaceRecognition
from kling_provider.api.request_types.spec import SESSION_LIFE, AtOnceSpec, RequestSpec

#: Half a unit for every begun 5 seconds of the video.
_LIP_SYNC_PRICE = PerBlock("0.5", 5, of="video")

SPECS: tuple[RequestSpec, ...] = (
    AtOnceSpec(
        type="identify_face",
        made_by="faces:IdentifyFace",
        paths={"legacy": "/v1/videos/identify-face"},
        outputs=("json",),
        price_rule=PerCall("0.05"),
        noun="session",
        retention=SESSION_LIFE,
        example="identify_face.yaml",
    ),
    RequestSpec(
        type="advanced_lip_sync",
        made_by="faces:AdvancedLipSync",
        paths={"legacy": "/v1/videos/advanced-lip-sync"},
        outputs=("video",),
        price_rule=_LIP_SYNC_PRICE,
        # Its own path reads it by Kling's id only, and tells no external id.
        found_by_external_id=False,
        preparation=FaceRecognition(),
        example="advanced_lip_sync.yaml",
    ),
    RequestSpec(
        type="lip_sync",
        made_by="faces:LipSync",
        paths={"legacy": "/v1/videos/lip-sync"},
        outputs=("video",),
        price_rule=_LIP_SYNC_PRICE,
        external_ids=False,
        locked="no",
        found_by_external_id=False,
        example="lip_sync.yaml",
    ),
    RequestSpec(
        type="avatar",
        made_by="faces:Avatar",
        paths={"legacy": "/v1/videos/avatar/image2video"},
        outputs=("video",),
        price_rule=PerInputSecond({"std": "0.4", "pro": "0.8"}, of="sound"),
        example="avatar.yaml",
    ),
    AtOnceSpec(
        type="image_recognize",
        made_by="faces:ImageRecognize",
        paths={"legacy": "/v1/videos/image-recognize"},
        outputs=("image", "json"),
        price_rule=PerCall("0.1"),
        noun="image",
        example="image_recognize.yaml",
    ),
)

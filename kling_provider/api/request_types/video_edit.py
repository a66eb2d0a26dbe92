# SPDX-License-Identifier: Apache-2.0
"""Videos that start from a video or a template: motion, effects, extensions, edits."""

from __future__ import annotations

from datetime import timedelta

from kling_provider.api.price_rules import PerSecond, UnknownPrice
from kling_provider.api.request_types.preparation import ElementSelection
from kling_provider.api.request_types.spec import SESSION_LIFE, AtOnceSpec, RequestSpec
from kling_provider.api.tasks import RETENTION

#: The answer says what it cost, and no list does.
_STEP_PRICE = UnknownPrice("no list states the price of a step of multi-elements")


def _make_step(name: str, path: str, retention: timedelta = SESSION_LIFE) -> RequestSpec:
    """Make the row of a step in a session of multi-elements.

    :param retention: how long its result lives: what is no file is of no use without the session.
    """
    type_ = f"multi_elements_{name}"
    return AtOnceSpec(
        type=type_,
        made_by=f"video_edit:MultiElements{name.capitalize()}",
        paths={"legacy": f"/v1/videos/multi-elements/{path}"},
        outputs=("json",),
        price_rule=_STEP_PRICE,
        noun="session",
        retention=retention,
        example=f"{type_}.yaml",
    )


SPECS: tuple[RequestSpec, ...] = (
    RequestSpec(
        type="motion_control",
        made_by="motion:MotionControl",
        paths={"standard": "/motion-control/{model}", "legacy": "/v1/videos/motion-control"},
        outputs=("video",),
        price_rule=PerSecond(),
        locked="by_model",
        example="motion_control.yaml",
    ),
    RequestSpec(
        type="effects",
        made_by="video_edit:Effects",
        paths={"legacy": "/v1/videos/effects"},
        outputs=("video",),
        price_rule=UnknownPrice("it depends on the scene, by a price list of Kling's that is not known here"),
        example="effects.yaml",
    ),
    RequestSpec(
        type="video_extend",
        made_by="video_edit:VideoExtend",
        paths={"legacy": "/v1/videos/video-extend"},
        outputs=("video",),
        price_rule=UnknownPrice(
            "Kling's list has no extensions; by third parties' lists 2 units a call, 3.5 for a source in pro"
        ),
        status="unknown",
        example="video_extend.yaml",
    ),
    RequestSpec(
        type="multi_elements",
        made_by="video_edit:MultiElements",
        paths={"legacy": "/v1/videos/multi-elements"},
        outputs=("video",),
        price_rule=UnknownPrice("no list states the price of multi-elements"),
        preparation=ElementSelection(),
        example="multi_elements.yaml",
    ),
    _make_step("init", "init-selection"),
    _make_step("add", "add-selection"),
    _make_step("delete", "delete-selection"),
    _make_step("clear", "clear-selection"),
    _make_step("preview", "preview-selection", RETENTION),
)

# SPDX-License-Identifier: Apache-2.0
"""What the legacy API takes and refuses beyond its plain fields: shots, frames, elements, masks."""

from __future__ import annotations

import base64
from typing import Any

import requests

from tests.contract.sandbox_client import Client, png, refused


def test_shots_have_a_limit_of_their_own(client: Client) -> None:
    shots = [{"index": n, "prompt": "x" * 512, "duration": "1"} for n in range(1, 7)]
    told = {"prompt": None, "multi_shot": True, "multi_prompt": shots, "duration": "6"}
    assert client.legacy(**told).status_code == 200  # 3072 characters in all
    shots[0]["prompt"] += "x"
    refused(client.legacy(**told), 400, 1201, "512")


def create_from_image(client: Client, **fields: Any) -> requests.Response:
    """``POST /v1/videos/image2video``"""
    image_data = "https://images.example/a.png"
    return client.post("/v1/videos/image2video", {"model_name": "kling-v3", "image": image_data, **fields})


def test_a_last_frame_by_model(client: Client) -> None:
    last = {"image_tail": "https://images.example/b.png"}
    assert create_from_image(client, **last, sound="on").status_code == 200
    older = {**last, "model_name": "kling-v2-6"}
    refused(create_from_image(client, **older), 400, 1201, "mode pro")
    refused(create_from_image(client, **older, mode="pro", sound="on"), 400, 1201, "sound off")
    assert create_from_image(client, **older, mode="pro").status_code == 200


def test_at_most_three_elements(client: Client) -> None:
    elements = [{"element_id": str(number)} for number in range(1, 5)]
    assert create_from_image(client, element_list=elements[:3]).status_code == 200
    refused(create_from_image(client, element_list=elements), 400, 1201, "element_list")


def test_the_rules_for_masks(client: Client) -> None:
    image_data = base64.b64encode(png(300, 300)).decode()
    points = [{"x": number, "y": number} for number in range(78)]
    mask = {"mask": image_data, "trajectories": points[:77]}
    assert create_from_image(client, static_mask=image_data, dynamic_masks=[mask] * 6).status_code == 200
    for wrong in (
        [mask] * 7,
        [{**mask, "trajectories": points}],
        [{**mask, "trajectories": points[:1]}],
        [{**mask, "trajectories": [{"x": 1}, {"x": 2}]}],
        [{**mask, "mask": "data:image/png;base64," + image_data}],
        [{"trajectories": points[:2]}],
    ):
        refused(create_from_image(client, dynamic_masks=wrong), 400, 1201, "dynamic_masks")
    refused(
        create_from_image(client, static_mask="data:image/png;base64," + image_data), 400, 1201, "static_mask"
    )
    refused(create_from_image(client, static_mask=image_data, image_tail=image_data), 400, 1201, "together")

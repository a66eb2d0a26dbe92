# SPDX-License-Identifier: Apache-2.0
"""Requests about voices and elements of the sandbox, and what tests do with them."""

from __future__ import annotations

import io
from typing import Any

import av
import requests

from tests.contract.sandbox_client import TIMEOUT, Client

VOICES, ELEMENTS, OLD = (
    f"/v1/general/{name}" for name in ("custom-voices", "advanced-custom-elements", "custom-elements")
)
PRESET_VOICES, PRESET_ELEMENTS, OLD_PRESETS = (
    f"/v1/general/{name}" for name in ("presets-voices", "advanced-presets-elements", "presets-elements")
)
DELETE_VOICE, DELETE_ELEMENT, ALSO_DELETE_ELEMENT = (
    f"/v1/general/{name}" for name in ("delete-voices", "delete-advanced-elements", "delete-elements")
)
IMAGE = "https://images.example/a.png"
FILM = "https://films.example/a.mp4"
VOICE = {"voice_name": "Ann", "voice_url": "https://sounds.example/ann.mp3"}
NAMES = {"element_name": "Zhang", "element_description": "A keeper of bees"}
OF_IMAGES = {
    **NAMES,
    "reference_type": "image_refer",
    "element_image_list": {"frontal_image": IMAGE, "refer_images": [{"image_url": IMAGE}]},
}
OF_VIDEO = {
    **NAMES,
    "reference_type": "video_refer",
    "element_video_list": {"refer_videos": [{"video_url": FILM}]},
}
OLD_ELEMENT = {**NAMES, "element_frontal_image": IMAGE, "element_refer_list": [{"image_url": IMAGE}]}
FOUR = [{"image_url": IMAGE}] * 4


def without(body: dict[str, Any], *names: str, **others: Any) -> dict[str, Any]:
    return {**{key: value for key, value in body.items() if key not in names}, **others}


def images(frontal: Any = IMAGE, others: Any = ({"image_url": IMAGE},)) -> dict[str, Any]:
    return {**OF_IMAGES, "element_image_list": {"frontal_image": frontal, "refer_images": list(others)}}


def film(client: Client, query: str) -> dict[str, Any]:
    """An element of a sample video."""
    url = f"{client.sandbox.url}/_sandbox/video.mp4?{query}"
    return {**OF_VIDEO, "element_video_list": {"refer_videos": [{"video_url": url}]}}


def finished(client: Client, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """The task of a create, as its own path reads it after its end."""
    answer = client.post(path, body)
    assert answer.status_code == 200, answer.text
    client.sandbox.advance(120)
    data: dict[str, Any] = client.get(f"{path}/{answer.json()['data']['task_id']}").json()["data"]
    return data


def new_voice(client: Client, **fields: Any) -> str:
    (voice,) = finished(client, VOICES, {**VOICE, **fields})["task_result"]["voices"]
    return str(voice["voice_id"])


def new_element(client: Client, body: dict[str, Any] = OF_IMAGES) -> str:
    data = finished(client, ELEMENTS, body)
    assert data["task_status"] == "succeed", data["task_status_msg"]
    return str(data["task_result"]["elements"][0]["element_id"])


def fetched(url: str) -> bytes:
    answer = requests.get(url, timeout=TIMEOUT)
    assert answer.status_code == 200
    return answer.content


def is_heard(url: str) -> bool:
    with av.open(io.BytesIO(fetched(url))) as container:
        return any(max(bytes(frame.planes[0])) > 0 for frame in container.decode(container.streams.audio[0]))

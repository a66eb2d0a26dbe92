# SPDX-License-Identifier: Apache-2.0
"""The calls that make a face speak, for tests of the sandbox."""

from __future__ import annotations

from typing import Any

import requests

from tests.contract.sandbox_client import Client

FACES, ADVANCED = "/v1/videos/identify-face", "/v1/videos/advanced-lip-sync"
VIDEO, SOUND = "https://films.example/a.mp4", "https://sounds.example/a.mp3"


def identify(client: Client, **body: Any) -> dict[str, Any]:
    answer = client.post(FACES, body)
    assert answer.status_code == 200, answer.text
    data: dict[str, Any] = answer.json()["data"]
    return data


def speak(
    client: Client, session_id: str, *, drop: str = "", body: Any = (), **face: Any
) -> requests.Response:
    """``POST /v1/videos/advanced-lip-sync``, with two seconds of a sound at the start of the video."""
    chosen = {
        "face_id": "0",
        "sound_file": SOUND,
        "sound_start_time": 0,
        "sound_end_time": 2000,
        "sound_insert_time": 0,
        **face,
    }
    chosen.pop(drop, None)
    return client.post(ADVANCED, {"session_id": session_id, "face_choose": [chosen], **dict(body)})

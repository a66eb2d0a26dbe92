# SPDX-License-Identifier: Apache-2.0
"""Looks at files that the sandbox has made: frames, seconds, and where in a sound a tone is."""

from __future__ import annotations

import array
import base64
import io
import math
import wave
from dataclasses import dataclass
from typing import Any

import av
import requests
from PIL import Image

from tests.contract.sandbox_client import TIMEOUT, Client

RATE = 8000
TONE = 1000
"""Hertz of :func:`tone`; the sandbox's own sounds have none of it."""


@dataclass(kw_only=True)
class Film:
    """A video, decoded."""

    codecs: list[str]
    size: tuple[int, int]
    frames: list[bytes]
    """Each as 16 by 9 grey pixels."""
    colours: list[tuple[int, int, int]]
    """The pixel in the middle of each frame."""
    samples: array.array[int]

    @property
    def seconds(self) -> float:
        return len(self.frames) / 24

    def strength(self, start: float, end: float) -> float:
        """How much of :data:`TONE` is in a part of the sound: about half of its amplitude."""
        part = self.samples[round(start * RATE) : round(end * RATE)]
        turn = 2 * math.pi * TONE / RATE
        across = sum(value * math.cos(turn * at) for at, value in enumerate(part))
        down = sum(value * math.sin(turn * at) for at, value in enumerate(part))
        return math.hypot(across, down) / max(1, len(part))


def fetch(url: str) -> bytes:
    answer = requests.get(url, timeout=TIMEOUT * 5)
    assert answer.status_code == 200, answer.text
    return answer.content


def watch(url: str) -> Film:
    return decode(fetch(url))


def decode(data: bytes) -> Film:
    """The video in a file."""
    with av.open(io.BytesIO(data)) as container:
        codecs = [stream.codec_context.name for stream in container.streams]
        video = container.streams.video[0]
        size, frames, colours = (video.width, video.height), [], []
        for frame in container.decode(video=0):
            image = frame.to_image()
            colours.append(image.getpixel((image.width // 2, image.height // 2)))
            frames.append(image.convert("L").resize((16, 9)).tobytes())
    return Film(codecs=codecs, size=size, frames=frames, colours=colours, samples=listen(data))


def listen(data: bytes) -> array.array[int]:
    """The sound of a file as mono samples, :data:`RATE` a second."""
    samples = array.array("h")
    with av.open(io.BytesIO(data)) as container:
        if container.streams.audio:
            resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
            for frame in container.decode(audio=0):
                for part in resampler.resample(frame):
                    samples.frombytes(bytes(part.planes[0])[: part.samples * 2])
    return samples


def loudness(samples: array.array[int], start: float = 0, end: float | None = None) -> float:
    """The root of the mean square of a part of a sound, 0 to 32767."""
    part = samples[round(start * RATE) : None if end is None else round(end * RATE)]
    return math.sqrt(sum(value * value for value in part) / max(1, len(part)))


def envelope(samples: array.array[int], start: float, end: float) -> list[float]:
    """How loud a part of a sound is, in steps of 20 ms."""
    steps = round((end - start) * 50)
    return [loudness(samples, start + at / 50, start + (at + 1) / 50) for at in range(steps)]


def likeness(one: list[float], other: list[float]) -> float:
    """How alike the course of two envelopes is, -1 to 1, where one may be late by 100 ms."""

    def correlate(lag: int) -> float:
        pairs = list(zip(one[max(0, lag) :], other[max(0, -lag) :], strict=False))
        left, right = ([pair[side] for pair in pairs] for side in (0, 1))
        means = sum(left) / len(left), sum(right) / len(right)
        across = sum((a - means[0]) * (b - means[1]) for a, b in pairs)
        spread = math.sqrt(sum((a - means[0]) ** 2 for a in left) * sum((b - means[1]) ** 2 for b in right))
        return across / spread if spread else 0.0

    return max(correlate(lag) for lag in range(-5, 6))


def distance(one: bytes, other: bytes) -> float:
    """The mean difference of two frames, 0 to 255."""
    return sum(abs(a - b) for a, b in zip(one, other, strict=True)) / len(one)


def tone(seconds: float, *, silent_until: float = 0) -> str:
    """A tone as base64 of a WAV: silent first."""
    turn = 2 * math.pi * TONE / RATE
    samples = array.array(
        "h",
        (
            round(12_000 * math.sin(turn * at)) if at >= silent_until * RATE else 0
            for at in range(round(seconds * RATE))
        ),
    )
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(samples.tobytes())
    return base64.b64encode(buffer.getvalue()).decode()


def picture(colour: str, width: int = 400, height: int = 300) -> str:
    """An image of one colour as base64 of a PNG."""
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def finish(client: Client, path: str, body: object) -> dict[str, Any]:
    """Create by the legacy design, push the clock past the end, and read."""
    answer = client.post(path, body)
    assert answer.status_code == 200, answer.text
    client.sandbox.advance(120)
    task: dict[str, Any] = client.get(f"{path}/{answer.json()['data']['task_id']}").json()["data"]
    return task


def finish_video(client: Client, **settings: Any) -> dict[str, Any]:
    """The output of a finished video of 3 s with sound: ``id, url, duration``."""
    video: dict[str, Any] = client.finished(**{"duration": 3, "audio": "native", **settings})["outputs"][0]
    return video


def sample(client: Client, query: str = "seconds=3", name: str = "video.mp4") -> str:
    """The URL of a sample of the sandbox."""
    return f"{client.sandbox.url}/_sandbox/{name}?{query}"

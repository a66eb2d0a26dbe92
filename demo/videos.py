# SPDX-License-Identifier: Apache-2.0
"""Reads a saved video back and compares it with what was asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

SECONDS_OFF = 0.2
# Widths and heights are even numbers, so a shape can be met only nearly (854 x 480 for 16:9).
SHAPE_OFF = 0.01


@dataclass(frozen=True)
class VideoFile:
    """What a file really holds, decoded to its last frame."""

    codec: str
    seconds: float
    width: int
    height: int
    sound: bool


def read_video(file: Path) -> VideoFile:
    """Decode the whole file; raises what PyAV raises if that fails anywhere."""
    with av.open(str(file)) as container:
        video = container.streams.video[0]
        rate = video.average_rate or Fraction(1)
        frames = sum(1 for _ in container.decode(video))
        return VideoFile(
            codec=video.codec_context.name,
            seconds=float(frames / rate),
            width=video.codec_context.width,
            height=video.codec_context.height,
            sound=bool(container.streams.audio),
        )


def differences(video: VideoFile, request: Mapping[str, Any]) -> list[str]:
    """In what the video is not what the request asked for; empty if it is right.

    What a request leaves out is not compared: then Kling (or, with an image, the image's shape) decides.
    """
    found = []
    if video.codec != "h264":
        found.append(f"its codec is {video.codec}, not h264")
    if (duration := request.get("duration")) is not None and abs(
        video.seconds - float(duration)
    ) > SECONDS_OFF:
        found.append(f"it lasts {video.seconds:.2f} s, not {duration} s")
    if aspect_ratio := request.get("aspect_ratio"):
        across, down = (float(part) for part in str(aspect_ratio).split(":"))
        if abs(video.width / video.height * down / across - 1) > SHAPE_OFF:
            found.append(f"it is {video.width} x {video.height}, not {aspect_ratio}")
    if (audio := request.get("audio")) is not None and video.sound != bool(audio):
        found.append("it has no sound" if audio else "it has sound that nobody asked for")
    return found

# SPDX-License-Identifier: Apache-2.0
"""What Kling takes of videos and sounds (its input limits, state of September 2026).

The formats of a file are told by its name, or by its content where that came with the request; its bytes are counted
only there. Kling's own videos are a frame longer than was asked and are good inputs, so an upper bound of seconds has
a tenth of a second of room.
"""

from __future__ import annotations

from dataclasses import dataclass

from kling_provider.sandbox.media.sources import BAD_SOUND, Source

_ROOM = 0.1


@dataclass(frozen=True, kw_only=True)
class VideoLimits:
    """The bounds of a video, each with both ends."""

    seconds: tuple[tuple[float, float], ...]
    sides: tuple[int, int]
    formats: tuple[str, ...] = ("mp4", "mov")

    def find_fault(self, video: Source) -> str | None:
        """Return what is wrong with a video; None for a good one. Why it cannot be had comes first."""
        if video.failure_message is not None:
            return video.failure_message
        if video.format and video.format not in self.formats:
            return f"The format of the input video must be one of {', '.join(self.formats)}"
        if not any(low <= video.seconds <= high + _ROOM for low, high in self.seconds):
            spans = " or ".join(f"{low:g} to {high:g}" for low, high in self.seconds)
            return f"The duration of the input video must be {spans} seconds"
        low, high = self.sides
        if not low <= min(video.width, video.height) <= max(video.width, video.height) <= high:
            return f"The sides of the input video must be {low} to {high} pixels"
        return None


@dataclass(frozen=True, kw_only=True)
class SoundLimits:
    """The bounds of a sound."""

    seconds: tuple[float, float]
    formats: tuple[str, ...] = ("mp3", "wav", "m4a", "aac")
    max_mb: int = 5

    def find_fault(self, sound: Source) -> str | None:
        """Return what is wrong with a sound; None for a good one. Why it cannot be had comes first."""
        if sound.failure_message is not None:
            return sound.failure_message
        if sound.format and sound.format not in self.formats:
            return BAD_SOUND
        low, high = self.seconds
        if not low <= sound.seconds <= high + _ROOM:
            return f"The duration of the input audio must be {low:g} to {high:g} seconds"
        return None


MOTION_VIDEO = VideoLimits(seconds=((3, 30),), sides=(340, 3850))
MOTION_VIDEO_OF_IMAGE = VideoLimits(seconds=((3, 10),), sides=(340, 3850))
FACE_VIDEO = VideoLimits(seconds=((2, 60),), sides=(512, 2160))
MULTI_ELEMENTS_VIDEO = VideoLimits(seconds=((2, 5), (7, 10)), sides=(720, 2160))
LIP_SYNC_SOUND = SoundLimits(seconds=(2, 60))
AVATAR_SOUND = SoundLimits(seconds=(2, 300), formats=("mp3", "wav"))  # others were refused (observed)

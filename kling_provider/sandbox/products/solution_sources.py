# SPDX-License-Identifier: Apache-2.0
"""The videos and sounds that solutions start from: their limits, and what of them decides the result.

The bytes of a URL are not counted, since the sandbox fetches nothing. Frames a second of the sandbox's own videos are
24, which every limit allows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from kling_provider.sandbox.media.sources import Source

_ROOM = 0.1
"""Seconds by which a video may be longer: Kling's own have a frame more than was asked."""
_SOUND_FORMATS = ("mp3", "m4a", "wav", "wave")


@dataclass(frozen=True, kw_only=True)
class PatternLimits:
    """The bounds of the video that a product video follows, each with both ends."""

    formats: tuple[str, ...] = ("mp4", "mov")
    seconds: tuple[float, float] = (5, 180)
    sides: tuple[int, int] = (576, 4553)
    largest_area: int = 8_294_400
    ratio: tuple[float, float] = (0.4, 2)
    """Of width to height."""

    def find_fault(self, video: Source) -> str | None:
        """Return what is wrong with a video; None for a good one."""
        if video.failure_message is not None:
            return video.failure_message
        if video.format and video.format not in self.formats:
            return f"The format of the source video must be one of {', '.join(self.formats)}."
        if not self.seconds[0] <= video.seconds <= self.seconds[1] + _ROOM:
            return f"The duration of the source video must be {self.seconds[0]} to {self.seconds[1]} seconds."
        short, long = sorted((video.width, video.height))
        if short < self.sides[0] or long > self.sides[1] or short * long > self.largest_area:
            return (
                f"The sides of the source video must be {self.sides[0]} to {self.sides[1]} pixels, "
                f"and its area at most {self.largest_area}."
            )
        if not self.ratio[0] <= video.width / video.height <= self.ratio[1]:
            return f"The ratio of the source video must be {self.ratio[0]} to {self.ratio[1]}."
        return None


PATTERN = PatternLimits()


def find_drama_fault(video: Source) -> str | None:
    """Return why a film gets no subtitles, in the sentences of the page; None for a good one.

    Formats other than MP4 are tried (documented).
    """
    if video.failure_message is not None:
        return video.failure_message
    if video.seconds > 300 + _ROOM:
        return "The source video exceeds the 300-second duration limit."
    if not (video.width and video.has_sound):
        return "No valid audio or video track detected in the source video."
    return None


def find_music_fault(sound: Source) -> str | None:
    """Return what is wrong with the music of a video; None for a good one."""
    if sound.failure_message is None and sound.format and sound.format not in _SOUND_FORMATS:
        return f"The format of bgm must be one of {', '.join(_SOUND_FORMATS)}."
    return sound.failure_message


def compute_seconds(video: Source) -> int:
    """Return the whole seconds of a video, at least one; a frame more does not count."""
    return max(1, math.floor(video.seconds + 0.5))

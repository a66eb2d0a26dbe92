# SPDX-License-Identifier: Apache-2.0
"""What Kling accepts as an input: a row for each kind of image, video and sound, from its API reference.

The field of a request names its row, one for each API design (:class:`~kling_provider.api.requests.fields.Media`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kling_provider.api.problems import Problem
from kling_provider.api.requests.fields import ApiDesign, Media
from kling_provider.api.requests.marked_fields import find_media
from kling_provider.api.values import is_web_url

if TYPE_CHECKING:
    from kling_provider.api.requests.base import KlingRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaLimits:
    """What one kind of input must be. ``None``, or an empty tuple, where nothing is documented.

    :param inline: whether it may be sent as base64; otherwise by URL only.
    :param formats: by suffix; ``jpeg`` is the same as ``jpg``, ``wave`` as ``wav``.
    :param max_mb: the largest file, in MB of 1024 x 1024 bytes.
    :param shortest_side: pixels, at least.
    :param longest_side: pixels, at most.
    :param max_area: pixels, at most.
    :param ratio: width by height, at least and at most.
    :param ratios: the only shapes, as people write them.
    :param heights: the only lengths of the shorter side, in pixels (``1080p``).
    :param seconds: the ranges of which one must hold its length, each inclusive.
    :param frame_rates: frames per second, at least and at most.
    :param only_frame_rates: the only frames per second.
    """

    inline: bool = False
    formats: tuple[str, ...]
    max_mb: int | None = None
    shortest_side: int | None = None
    longest_side: int | None = None
    max_area: int | None = None
    ratio: tuple[float, float] | None = None
    ratios: tuple[str, ...] = ()
    heights: tuple[int, ...] = ()
    seconds: tuple[tuple[float, float], ...] = ()
    frame_rates: tuple[float, float] | None = None
    only_frame_rates: tuple[int, ...] = ()


_PICTURES = ("jpg", "jpeg", "png")
_MORE_PICTURES = (*_PICTURES, "webp")
_VIDEOS = ("mp4", "mov")
_SOUNDS = ("mp3", "wav", "m4a", "aac")
_RATIO = (0.4, 2.5)

#: By name of the row.
MEDIA_LIMITS: Mapping[str, MediaLimits] = {
    "image_new": MediaLimits(inline=True, formats=_PICTURES, max_mb=50, shortest_side=300, ratio=_RATIO),
    "image_legacy": MediaLimits(inline=True, formats=_PICTURES, max_mb=10, shortest_side=300, ratio=_RATIO),
    "image_solutions": MediaLimits(
        inline=True, formats=_MORE_PICTURES, max_mb=50, shortest_side=300, ratio=_RATIO
    ),
    "image_try_on": MediaLimits(formats=_MORE_PICTURES, max_mb=10, shortest_side=301, longest_side=2048),
    "video_omni": MediaLimits(
        formats=_VIDEOS,
        max_mb=200,
        seconds=((3, 15.5),),
        shortest_side=700,
        longest_side=4553,
        max_area=8294400,
        ratio=(0.4, 2),
        frame_rates=(24, 60),
    ),
    "video_o1": MediaLimits(
        formats=_VIDEOS,
        max_mb=200,
        seconds=((3, 10),),
        shortest_side=700,
        longest_side=2160,
        frame_rates=(24, 60),
    ),
    "video_motion": MediaLimits(
        formats=_VIDEOS, max_mb=100, shortest_side=340, longest_side=3850, seconds=((3, 30),)
    ),
    "video_face": MediaLimits(
        formats=_VIDEOS,
        max_mb=100,
        seconds=((2, 60),),
        shortest_side=512,
        longest_side=2160,
        heights=(720, 1080),
    ),
    "video_multi_elements": MediaLimits(
        formats=_VIDEOS,
        seconds=((2, 5), (7, 10)),
        shortest_side=720,
        longest_side=2160,
        only_frame_rates=(24, 30, 60),
    ),
    "video_sound": MediaLimits(formats=_VIDEOS, max_mb=100, seconds=((3, 20),)),
    "video_element": MediaLimits(
        formats=_VIDEOS, max_mb=200, seconds=((3, 8),), heights=(1080,), ratios=("16:9", "9:16")
    ),
    "video_apparel": MediaLimits(
        formats=_VIDEOS,
        max_mb=100,
        seconds=((5, 180),),
        shortest_side=576,
        longest_side=4553,
        max_area=8294400,
        ratio=(0.4, 2),
        frame_rates=(24, 60),
    ),
    "video_drama": MediaLimits(formats=("mp4",), max_mb=500, seconds=((0, 300),)),
    "audio_lip_sync": MediaLimits(inline=True, formats=_SOUNDS, max_mb=5, seconds=((2, 60),)),
    # m4a and aac are documented, and were refused there ("Audio format is not supported", seen by one client).
    "audio_avatar": MediaLimits(inline=True, formats=_SOUNDS, max_mb=5, seconds=((2, 300),)),
    "audio_bgm": MediaLimits(formats=("mp3", "m4a", "wav", "wave"), max_mb=50),
    "sound_voice": MediaLimits(formats=("mp3", "wav", *_VIDEOS), seconds=((5, 30),)),
}


def is_by_link_only(media: Media) -> bool:
    """Tell whether Kling takes an input by URL only, in each API design."""
    rows = [row for row in (media.standard, media.legacy) if row is not None]
    return bool(rows) and not any(MEDIA_LIMITS[row].inline for row in rows)


def find_paths(request: KlingRequest, design: ApiDesign) -> list[Problem]:
    """Find inputs that are no URL where Kling takes nothing else: a path would reach it as a text.

    :param design: the API design by which the request goes.
    """
    found = []
    for field, value in request.iter_inputs():
        row = request.find_media_row(find_media(type(request), field), design)
        if row is None or MEDIA_LIMITS[row].inline or is_web_url(value):
            continue
        found.append(Problem(field, None, "must be an http or https URL here: Kling takes it by URL only"))
    return found

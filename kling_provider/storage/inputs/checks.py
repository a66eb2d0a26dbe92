# SPDX-License-Identifier: Apache-2.0
"""Whether an input keeps to what Kling accepts, as far as that is known; what is not known is left to Kling."""

from __future__ import annotations

import math

from kling_provider.api.media_limits import MediaLimits
from kling_provider.storage.inputs.formats import list_formats
from kling_provider.storage.inputs.measuring import Measures
from kling_provider.storage.inputs.values import Refused

_MB = 1024 * 1024


def check_format(found: str | None, limits: MediaLimits, what: str) -> None:
    """Check the format of an input.

    :param found: as :func:`~kling_provider.storage.inputs.formats.find_format` gives it.
    :raises Refused: where it is another one.
    """
    allowed = list_formats(limits.formats)
    if found not in allowed:
        is_one = f", and is a {found}" if found is not None else ""
        raise Refused(f"{what} must be a {_join_words(allowed)}{is_one}")


def check_size(size: int, limits: MediaLimits, what: str) -> None:
    """Check the bytes of an input.

    :raises Refused: where it has too many, or none.
    """
    if limits.max_mb is not None and size > limits.max_mb * _MB:
        raise Refused(f"{what} has {size / _MB:.1f} MB; it must have at most {limits.max_mb}")


def check_sides(width: int, height: int, limits: MediaLimits, what: str) -> None:
    """Check the sides of an image or a video.

    :raises Refused: where they are too short or too long, or their ratio is not accepted.
    """
    sides, short, long = f"{width}x{height}", min(width, height), max(width, height)
    if limits.shortest_side is not None and short < limits.shortest_side:
        raise Refused(f"{what} has {sides} pixels; each side must have {limits.shortest_side} or more")
    if limits.longest_side is not None and long > limits.longest_side:
        raise Refused(f"{what} has {sides} pixels; each side must have {limits.longest_side} or fewer")
    if limits.max_area is not None and width * height > limits.max_area:
        raise Refused(f"{what} has {sides} pixels; together they must be {limits.max_area} or fewer")
    if limits.ratio is not None and not (limits.ratio[0] * height <= width <= limits.ratio[1] * height):
        low, high = limits.ratio
        raise Refused(f"{what} has {sides} pixels; their ratio must be from 1:{1 / low:g} to {high:g}:1")
    if limits.heights and short not in limits.heights:
        allowed = _join_words(tuple(f"{one}p" for one in limits.heights))
        raise Refused(f"{what} has {sides} pixels; it must be {allowed}")
    if limits.ratios and not any(_has_ratio(width, height, one) for one in limits.ratios):
        raise Refused(f"{what} has {sides} pixels; their ratio must be {_join_words(limits.ratios)}")


def check_seconds(seconds: float, limits: MediaLimits, what: str) -> None:
    """Check the length of a sound or a video.

    :raises Refused: where it is too short or too long.
    """
    # Containers round a length up to a whole frame.
    if limits.seconds and not any(low - 0.05 <= seconds <= high + 0.05 for low, high in limits.seconds):
        ranges = " or ".join(f"{low:g} to {high:g}" for low, high in limits.seconds)
        raise Refused(f"{what} lasts {seconds:.1f} s; it must last {ranges} s")


def check_measures(found: Measures, limits: MediaLimits, what: str) -> None:
    """Check what was measured of a sound or a video.

    :raises Refused: where something of it is not accepted.
    """
    if found.width is not None and found.height is not None:
        check_sides(found.width, found.height, limits, what)
    if found.seconds is not None:
        check_seconds(found.seconds, limits, what)
    rate = found.frame_rate
    if rate is None:
        return
    if (
        limits.frame_rates is not None
        and not limits.frame_rates[0] - 0.1 <= rate <= limits.frame_rates[1] + 0.1
    ):
        low, high = limits.frame_rates
        raise Refused(f"{what} has {rate:.4g} frames per second; it must have {low:g} to {high:g}")
    # 29.97 is called 30.
    if limits.only_frame_rates and not any(
        math.isclose(rate, one, abs_tol=0.1) for one in limits.only_frame_rates
    ):
        allowed = _join_words(tuple(map(str, limits.only_frame_rates)))
        raise Refused(f"{what} has {rate:.4g} frames per second; it must have {allowed}")


def _has_ratio(width: int, height: int, ratio: str) -> bool:
    wide, high = map(int, ratio.split(":"))
    # 1920x1088 is a 16:9 video whose encoder rounds up to whole blocks.
    return math.isclose(width / height, wide / high, rel_tol=0.02)


def _join_words(words: tuple[str, ...]) -> str:
    *others, last = words
    return f"{', '.join(others)} or {last}" if others else last

# SPDX-License-Identifier: Apache-2.0
"""Shots of a video: in the words of the prompt on the standard API, as a list on the legacy one (Kling's API reference)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from kling_provider.api.problems import Problem
from kling_provider.api.requests.parts import Shot

_BEGIN = re.compile(r"\bshot\s*\d+\s*,\s*\d+\s*,", re.IGNORECASE)
_SHOT = re.compile(r"\bshot\s*(\d{1,4})\s*,\s*(\d{1,4})\s*,\s*(.*?);", re.IGNORECASE | re.DOTALL)
_MOST, _LONGEST_TEXT = 6, 512


def has_shots(prompt: str) -> bool:
    """Tell whether a prompt is written in shots: ``shot 1, 2, a boat; shot 2, 3, a kite;``."""
    return _BEGIN.search(prompt) is not None


def find_wrong_shots(prompt: str, duration: int) -> list[Problem]:
    """Find what is wrong with the shots of a prompt; none where it has no shots.

    :param duration: of the video, in seconds.
    """
    begun = len(_BEGIN.findall(prompt))
    if not begun:
        return []
    shots = [(int(number), int(seconds), words) for number, seconds, words in _SHOT.findall(prompt)]
    if len(shots) != begun:
        return [Problem("prompt", None, "must end each shot with a semicolon: shot 1, 3, words;")]
    found = []
    if len(shots) > _MOST or any(not 1 <= number <= _MOST for number, _, _ in shots):
        found.append(Problem("prompt", None, f"must have at most {_MOST} shots, numbered from 1"))
    if any(seconds < 1 for _, seconds, _ in shots):
        found.append(Problem("prompt", None, "must have shots of at least 1 second"))
    if any(len(words) > _LONGEST_TEXT for _, _, words in shots):
        found.append(Problem("prompt", None, f"must have at most {_LONGEST_TEXT} characters in each shot"))
    if (total := sum(seconds for _, seconds, _ in shots)) != duration:
        message = f"must have shots that add up to the duration, {duration} s (they last {total} s)"
        found.append(Problem("prompt", None, message))
    return found


def find_wrong_list(
    shots: Sequence[Shot], duration: int, *, shot_type: str | None, multi_shot: bool | None
) -> list[Problem]:
    """Find what is wrong with the shots of the legacy API's ``multi_prompt``.

    :param duration: of the video, in seconds.
    """
    found = []
    if shots:
        if not multi_shot:
            found.append(Problem("multi_prompt", None, "must be used with multi_shot: true"))
        if (total := sum(shot.duration for shot in shots)) != duration:
            message = f"must have shots that add up to the duration, {duration} s (they last {total} s)"
            found.append(Problem("multi_prompt", None, message))
        if len(shots) > _MOST:
            found.append(Problem("multi_prompt", None, f"must be at most {_MOST} shots (has {len(shots)})"))
    elif multi_shot and shot_type == "customize":
        found.append(
            Problem("multi_prompt", None, "must be given with shot_type: customize: write the shots")
        )
    return found

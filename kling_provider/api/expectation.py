# SPDX-License-Identifier: Apache-2.0
"""How long Kling takes for a video, roughly: for a person who waits, never for a decision."""

from __future__ import annotations

#: Seconds of rendering per second of video, by the start of the model's name. Measured: 3.0-turbo 28 s for 3 s,
#: 2.5-turbo 30-60 s for 5 s, 3.0-omni 83 s for 3 s, others about 230 s for 5 s (kling-api.md section 4).
_RATES = (("kling-3.0-turbo", 10.0), ("kling-2.5-turbo", 9.0), ("kling-3.0-omni", 28.0))
_OTHERS = 46.0


def expected_seconds(model: str, duration: int) -> float:
    """Seconds from Kling's create time to the end of a task, typically.

    :param duration: seconds of video.
    """
    return duration * next((rate for name, rate in _RATES if model.startswith(name)), _OTHERS)

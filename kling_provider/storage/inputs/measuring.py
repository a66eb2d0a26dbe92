# SPDX-License-Identifier: Apache-2.0
"""How long a sound or a video is, and how large its frames are, where the extra ``media`` is installed."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from importlib.util import find_spec
from typing import BinaryIO

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Measures:
    """What a file was measured to be; ``None`` where that is not known. Sides are in pixels, as they are shown."""

    seconds: float | None = None
    width: int | None = None
    height: int | None = None
    frame_rate: float | None = None


def measure_media(file: BinaryIO, what: str) -> Measures:
    """Measure a sound or a video. Nothing is known without PyAV, and of a file that it cannot read.

    :param file: can be read and sought; its position changes.
    :param what: the file, for the log.
    """
    if find_spec("av") is None:
        return Measures()
    import av

    try:
        file.seek(0)
        with av.open(file, "r") as container:
            seconds = None if container.duration is None else container.duration / av.time_base
            video = next(iter(container.streams.video), None)
            if video is None:
                return Measures(seconds)
            width, height = video.width, video.height
            frame = next(iter(container.decode(video)), None)
            if frame is not None and frame.rotation % 180:
                width, height = height, width
            rate = video.average_rate
            return Measures(seconds, width, height, None if rate is None else float(rate))
    except Exception as error:  # noqa: BLE001 - whatever a decoder says of a file, Kling may know better
        log.warning("%s could not be measured, which is left to Kling: %s", what, type(error).__name__)
        return Measures()

# SPDX-License-Identifier: Apache-2.0
"""Short ways to what a task has saved, decoded."""

from __future__ import annotations

import array
from functools import cache
from pathlib import Path

from PIL import Image

from tests.contract.media_checks import RATE, Film, decode, listen
from tests.stack.types.conftest import SHORT_SIDE, Run

WIDE, TALL, SQUARE = (256, SHORT_SIDE), (SHORT_SIDE, 256), (SHORT_SIDE, SHORT_SIDE)


@cache
def _decode(file: Path) -> Film:
    return decode(file.read_bytes())


def film(made: Run, task_id: str, map_index: int = -1) -> Film:
    """The one video of a task."""
    [file] = [file for file in made.files(task_id, map_index) if file.suffix == ".mp4"]
    return _decode(file)


def sound(made: Run, task_id: str) -> array.array[int]:
    """The one sound of a task."""
    [file] = [file for file in made.files(task_id) if file.suffix in (".mp3", ".wav")]
    return listen(file.read_bytes())


def seconds(samples: array.array[int]) -> float:
    """How long a sound is."""
    return len(samples) / RATE


def images(made: Run, task_id: str) -> list[Image.Image]:
    """The images of a task."""
    return [Image.open(file).convert("RGB") for file in made.files(task_id) if file.suffix == ".png"]


def frame(image: Image.Image) -> bytes:
    """An image as the frames of a film are kept: 16 by 9 grey pixels."""
    return image.convert("L").resize((16, 9)).tobytes()

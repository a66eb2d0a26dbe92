# SPDX-License-Identifier: Apache-2.0
"""Short ways to what a type has saved, decoded."""

from __future__ import annotations

import array
from functools import cache
from pathlib import Path

from PIL import Image

from tests.contract.media_checks import Film, decode, listen
from tests.stack.types.conftest import SHORT_SIDE, EveryType

WIDE, TALL, SQUARE = (256, SHORT_SIDE), (SHORT_SIDE, 256), (SHORT_SIDE, SHORT_SIDE)


@cache
def _decode(file: Path) -> Film:
    return decode(file.read_bytes())


def film(made: EveryType, type_: str, *, of: str = ".mp4") -> Film:
    """The one video of a type."""
    [file] = [file for file in made.files(type_) if file.suffix == of]
    return _decode(file)


def sound(made: EveryType, type_: str) -> array.array[int]:
    """The one sound of a type."""
    [file] = [file for file in made.files(type_) if file.suffix in (".mp3", ".wav")]
    return listen(file.read_bytes())


def seconds(samples: array.array[int]) -> float:
    """How long a sound is."""
    return len(samples) / 8000


def images(made: EveryType, type_: str) -> list[Image.Image]:
    """The images of a type."""
    return [Image.open(file).convert("RGB") for file in made.files(type_) if file.suffix == ".png"]


def frame(image: Image.Image) -> bytes:
    """An image as the frames of a film are kept: 16 by 9 grey pixels."""
    return image.convert("L").resize((16, 9)).tobytes()

# SPDX-License-Identifier: Apache-2.0
"""Masks: where in an image or a frame something is, as PNG and as run lengths."""

from __future__ import annotations

import io
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from PIL import Image

Shape = tuple[float, float, float, float]
"""Left, top, right, bottom of an ellipse, as shares of the sides."""
_RADIUS = 0.12
"""Of what a point marks, as a share of the shorter side."""


@dataclass(frozen=True, kw_only=True)
class MaskFile:
    """A PNG in black, with the shapes in white."""

    width: int
    height: int
    shapes: tuple[Shape, ...]
    file_suffix: ClassVar[str] = ".png"
    content_type: ClassVar[str] = "image/png"

    def write_file(self, target: Path, *, short_side: int | None = None) -> None:
        """Draw the mask; it has the size of its image, whatever ``short_side`` says."""
        draw_mask(self.width, self.height, self.shapes).save(target, "PNG")


def mark_points(points: Sequence[tuple[float, float]], width: int, height: int) -> tuple[Shape, ...]:
    """Return a disc around each point, which stands for what it marks."""
    across, down = _RADIUS * min(width, height) / width, _RADIUS * min(width, height) / height
    return tuple((x - across, y - down, x + across, y + down) for x, y in points)


def draw_mask(width: int, height: int, shapes: Sequence[Shape]) -> Image.Image:
    """Draw shapes in white on black."""
    from PIL import Image, ImageDraw

    mask = Image.new("L", (width, height))
    draw = ImageDraw.Draw(mask)
    for left, top, right, bottom in shapes:
        draw.ellipse((left * width, top * height, right * width, bottom * height), fill=255)
    return mask


def encode_png(mask: Image.Image) -> bytes:
    """Return a mask as PNG."""
    buffer = io.BytesIO()
    mask.save(buffer, "PNG")
    return buffer.getvalue()


def encode_runs(mask: Image.Image) -> str:
    """Return the run lengths of a mask in the compressed text of COCO: column by column, the black run first."""
    from PIL import Image

    columns = mask.transpose(Image.Transpose.TRANSPOSE).tobytes()
    counts = [0] if columns[:1] == b"\xff" else []
    counts += [len(list(run)) for _, run in itertools.groupby(columns)]
    text = []
    for index, count in enumerate(counts):
        value = count - counts[index - 2] if index > 2 else count
        while True:
            bits, value = value & 0x1F, value >> 5
            more = value != (-1 if bits & 0x10 else 0)
            text.append(chr(48 + (bits | 0x20 if more else bits)))
            if not more:
                break
    return "".join(text)

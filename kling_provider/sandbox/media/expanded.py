# SPDX-License-Identifier: Apache-2.0
"""An image that grew beyond its edges: the old one, pixel by pixel, inside of a larger one."""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from kling_provider.sandbox.media.inputs import InputImage

_UNKNOWN_SIDE = 768
"""Width and height that an image counts as which the sandbox cannot see."""


@dataclass(frozen=True, kw_only=True)
class ExpandedImageFile:
    """A PNG of the old image and a landscape around it. Shares are of the old height or width."""

    file_suffix: ClassVar[str] = ".png"
    content_type: ClassVar[str] = "image/png"

    seed: str
    prompt: str
    facts: str
    name: str
    up: float
    down: float
    left: float
    right: float
    image: InputImage | None = None
    watermark: bool = False

    def write_file(self, target: Path, *, short_side: int | None = None) -> None:
        """Draw the image; its size follows from the old one, whatever ``short_side`` says."""
        from PIL import Image

        from kling_provider.sandbox.media import captions
        from kling_provider.sandbox.media.image import draw_landscape, load_input

        prompt = self.prompt.encode("utf-8", "replace").decode()
        dice = random.Random(self.seed)
        hue = int(hashlib.sha256(prompt.encode()).hexdigest()[:4], 16) / 0xFFFF
        old = load_input(self.image) or Image.new("RGB", (_UNKNOWN_SIDE, _UNKNOWN_SIDE), (128, 128, 128))
        left, top = round(old.width * self.left), round(old.height * self.up)
        width = left + old.width + round(old.width * self.right)
        height = top + old.height + round(old.height * self.down)
        canvas = draw_landscape(width, height, dice=dice, hue=hue)
        name = self.name.encode("utf-8", "replace").decode()
        captions.write_captions(canvas, prompt=prompt, facts=self.facts, name=name, badge=self.watermark)
        canvas.paste(old, (left, top))  # the writing stays where there is room for it
        canvas.save(target, "PNG", compress_level=1)

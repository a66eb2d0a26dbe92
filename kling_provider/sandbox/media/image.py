# SPDX-License-Identifier: Apache-2.0
"""Still images: a landscape of the prompt's colours with the prompt written into it.

Imported only when one is drawn.
"""

from __future__ import annotations

import colorsys
import hashlib
import io
import math
import random
from pathlib import Path
from urllib.parse import parse_qs

from PIL import Image, ImageDraw, ImageOps

from kling_provider.sandbox.media import captions
from kling_provider.sandbox.media.files import ImageFile
from kling_provider.sandbox.media.inputs import InputImage, read_sample_size


def write_image(image: ImageFile, target: Path) -> None:
    """Draw ``image`` into ``target``."""
    shown = load_input(image.image)
    if shown is not None and not image.inset:
        canvas = ImageOps.fit(shown, (image.width, image.height), Image.Resampling.BICUBIC)
    else:
        digest = hashlib.sha256(image.prompt.encode()).hexdigest()
        canvas = draw_landscape(
            image.width, image.height, dice=random.Random(image.seed), hue=int(digest[:4], 16) / 0xFFFF
        )
        if shown is not None:
            _paste_inset(canvas, shown)
    captions.write_captions(
        canvas, prompt=image.prompt, facts=image.facts, name=image.name, badge=image.watermark
    )
    if image.format == "png":
        canvas.save(target, "PNG", compress_level=1)
    else:
        canvas.save(target, "JPEG", quality=90)


def _paste_inset(canvas: Image.Image, shown: Image.Image) -> None:
    """Put an image whole into the middle of another, at most three fifths as wide and high."""
    inset = ImageOps.contain(
        shown, (max(1, canvas.width * 3 // 5), max(1, canvas.height * 3 // 5)), Image.Resampling.BICUBIC
    )
    canvas.paste(inset, ((canvas.width - inset.width) // 2, (canvas.height - inset.height) // 2))


def draw_landscape(width: int, height: int, *, dice: random.Random, hue: float | None = None) -> Image.Image:
    """Draw hills under a sun.

    :param hue: colour of the sky, 0 to 1; default: by chance.
    """
    hue = dice.random() if hue is None else hue
    image = Image.new("RGB", (width, height))
    draw = ImageDraw.Draw(image)
    for row in range(height):
        share = row / height
        draw.line(
            (0, row, width, row), fill=get_rgb(hue + 0.12 * share, 0.55 - 0.3 * share, 0.55 + 0.4 * share)
        )
    radius, x, y = height * 0.13, width * dice.uniform(0.2, 0.8), height * 0.34
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=get_rgb(hue + 0.1, 0.15, 1.0))
    for layer in range(4):
        base, swing, phase = height * (0.55 + 0.12 * layer), height * 0.09, dice.uniform(0, 6)
        step = max(2, width // 160)
        ridge = [(0.0, float(height))]
        for across in range(0, width + step, step):
            turn = across / width * (3 + layer) + phase
            ridge.append((across, base - swing * (math.sin(turn) + 0.4 * math.sin(2.7 * turn))))
        draw.polygon(
            [*ridge, (float(width), float(height))], fill=get_rgb(hue + 0.45, 0.45, 0.5 - 0.11 * layer)
        )
    return image


def draw_sample(query: str) -> bytes:
    """Return a PNG for ``w``, ``h`` (bounded) and ``seed`` of a query, to use as an input of requests."""
    dice = random.Random(parse_qs(query).get("seed", ["1"])[0])
    buffer = io.BytesIO()
    draw_landscape(*read_sample_size(query), dice=dice).save(buffer, "PNG")
    return buffer.getvalue()


def load_input(image: InputImage | None) -> Image.Image | None:
    """Open an image that came with a request; None where the sandbox has no pixels of it."""
    if image is None:
        return None
    data = image.data if image.sample_query is None else draw_sample(image.sample_query)
    if data is None:
        return None
    try:
        return ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
    except OSError:  # a broken body behind a good header: the result does without it
        return None


def get_rgb(hue: float, saturation: float, value: float) -> tuple[int, int, int]:
    """Return a colour as PIL wants it; values out of range are clipped, hues go round."""
    red, green, blue = colorsys.hsv_to_rgb(hue % 1, min(1, max(0, saturation)), min(1, max(0, value)))
    return int(red * 255), int(green * 255), int(blue * 255)

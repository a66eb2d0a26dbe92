# SPDX-License-Identifier: Apache-2.0
"""The frames of a video, edited where something was marked. Imported only when needed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from PIL import Image, ImageDraw, ImageOps

from kling_provider.sandbox.media.image import load_input
from kling_provider.sandbox.media.inputs import InputImage
from kling_provider.sandbox.media.masks import Shape, draw_mask


def edit_frames(
    frames: Iterable[Image.Image],
    count: int,
    *,
    edit: str,
    shapes: Sequence[Shape],
    images: Sequence[InputImage],
) -> Iterator[Image.Image]:
    """Yield exactly ``count`` frames: edited, and the last one repeated where there are not so many."""
    last: Image.Image | None = None
    made = 0
    shown = [image for image in map(load_input, images) if image is not None]
    for frame in frames:
        if made == count:
            return
        last = _edit_frame(frame, edit, shapes, shown)
        made += 1
        yield last
    while last is not None and made < count:
        made += 1
        yield last


def _edit_frame(
    frame: Image.Image, edit: str, shapes: Sequence[Shape], images: Sequence[Image.Image]
) -> Image.Image:
    width, height = frame.size
    if edit == "mask":
        return draw_mask(width, height, shapes).convert("RGB")
    draw = ImageDraw.Draw(frame)
    for number, (left, top, right, bottom) in enumerate(shapes):
        box = (int(left * width), int(top * height), int(right * width), int(bottom * height))
        if edit == "outline":
            draw.ellipse(box, outline=(255, 40, 40), width=max(2, min(width, height) // 60))
        elif edit == "removal":
            draw.ellipse(box, fill=(128, 128, 128))
        elif images:
            size = (max(1, box[2] - box[0]), max(1, box[3] - box[1]))
            frame.paste(ImageOps.fit(images[number % len(images)], size), box[:2])
        else:
            draw.rectangle(box, fill=(40, 90, 200))
    return frame

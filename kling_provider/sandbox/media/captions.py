# SPDX-License-Identifier: Apache-2.0
"""The writing in videos and images: the prompt in a dark band below, facts above."""

from __future__ import annotations

import bisect
from functools import lru_cache

from PIL import Image, ImageDraw, ImageFont

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

#: Longer lines are not measured: no font of ours puts as many characters side by side.
_MOST_IN_LINE = 600

#: Fonts of common systems with characters that Pillow's own lacks (Chinese above all).
_WIDE_FONTS = (
    "NotoSansCJK-Regular.ttc",
    "NotoSansSC-Regular.otf",
    "wqy-microhei.ttc",
    "wqy-zenhei.ttc",
    "DroidSansFallbackFull.ttf",
    "PingFang.ttc",
    "msyh.ttc",
    "Arial Unicode.ttf",
    "DejaVuSans.ttf",
)


@lru_cache(maxsize=64)
def _load_font(size: int, wide: bool) -> Font:
    for name in _WIDE_FONTS if wide else ():
        try:
            return ImageFont.truetype(name, size)
        except OSError:
            continue
    return ImageFont.load_default(size)


def choose_font(size: int, text: str) -> Font:
    """Return a font for ``text``: Pillow's own where it has the characters."""
    return _load_font(max(8, size), any(ord(character) > 0x24F for character in text if character != "·"))


def _wrap_text(text: str, face: Font, width: float, lines: int) -> list[str]:
    """Wrap text at spaces, or anywhere in writing that has none; what does not fit ends in an ellipsis."""
    result: list[str] = []
    line = ""
    for word in text.split():
        candidate = f"{line} {word}".strip()
        if face.getlength(candidate[:_MOST_IN_LINE]) <= width and len(candidate) <= _MOST_IN_LINE:
            line = candidate
            continue
        if line:
            result.append(line)
        line = word
        while len(result) <= lines and (fitting := _count_fitting(line, face, width)) < len(line):
            result.append(line[:fitting])
            line = line[fitting:]
        if len(result) > lines:
            break
    if line:
        result.append(line)
    if len(result) > lines:
        result = [*result[: lines - 1], result[lines - 1][:-1].rstrip() + "…"]
    return result


def _count_fitting(word: str, face: Font, width: float) -> int:
    """Return how many characters of a word fit into a line, at least one."""
    part = word[:_MOST_IN_LINE]
    ends = range(2, len(part) + 1)
    return 1 + bisect.bisect_right(ends, width, key=lambda end: face.getlength(part[:end]))


class Overlay:
    """Masks for shade and writing, at full size for luma and half size for chroma."""

    def __init__(self, shade: Image.Image, ink: Image.Image) -> None:
        self._layers = []
        for mask, colour in ((shade, (20, 128, 128)), (ink, (235, 128, 128))):
            box = mask.getbbox()
            if box is None:
                continue
            left, top, right, bottom = (
                box[0] // 2 * 2,
                box[1] // 2 * 2,
                -(-box[2] // 2) * 2,
                -(-box[3] // 2) * 2,
            )
            part = mask.crop((left, top, right, bottom))
            small = part.resize((part.width // 2, part.height // 2))
            self._layers.append((part, small, (left, top), colour))

    def draw_plane(self, canvas: Image.Image, number: int) -> None:
        """Draw shade and writing into one plane of a frame: 0 is luma, 1 and 2 are chroma."""
        for part, small, (left, top), colour in self._layers:
            if number == 0:
                canvas.paste(colour[0], (left, top), part)
            else:
                canvas.paste(colour[number], (left // 2, top // 2), small)


def draw_captions(width: int, height: int, *, prompt: str, facts: str, name: str, badge: bool) -> Overlay:
    """Prepare the writing of one video, once for all frames."""
    shade, ink = _draw_masks(width, height, prompt=prompt, facts=facts, name=name, badge=badge)
    return Overlay(shade, ink)


def write_captions(canvas: Image.Image, *, prompt: str, facts: str, name: str, badge: bool) -> None:
    """Write into a still image."""
    shade, ink = _draw_masks(*canvas.size, prompt=prompt, facts=facts, name=name, badge=badge)
    canvas.paste((4, 4, 6), (0, 0), shade)
    canvas.paste((244, 244, 244), (0, 0), ink)


def _draw_masks(
    width: int, height: int, *, prompt: str, facts: str, name: str, badge: bool
) -> tuple[Image.Image, Image.Image]:
    """Return the masks of shade and ink, both of the whole size."""
    unit = min(width, height) / 720
    shade, ink = Image.new("L", (width, height)), Image.new("L", (width, height))
    dark, light = ImageDraw.Draw(shade), ImageDraw.Draw(ink)
    margin = 36 * unit
    face, small = choose_font(round(34 * unit), prompt), choose_font(round(22 * unit), facts + name)
    lines = _wrap_text(prompt, face, width - 2 * margin, 5 if width >= height else 8)
    line_height, small_height = 44 * unit, 30 * unit
    top = height - margin - small_height - line_height * len(lines) - 10 * unit
    fade = int(40 * unit)
    for step in range(fade):  # a band that fades in, so that bright images keep the writing readable
        dark.line((0, top - fade + step, width, top - fade + step), fill=int(130 * step / max(1, fade)))
    dark.rectangle((0, top, width, height), fill=130)
    for index, line in enumerate(lines):
        light.text((margin, top + 6 * unit + index * line_height), line, fill=255, font=face)
    light.text((margin, height - margin - small_height + 4 * unit), name, fill=170, font=small)
    dark.rectangle((0, 0, width, 78 * unit), fill=90)
    light.text((margin, 28 * unit), facts, fill=225, font=small)
    if badge:
        light.text(
            (width * 0.5, 120 * unit),
            "KLING SANDBOX",
            fill=150,
            font=choose_font(round(30 * unit), "K"),
            anchor="ma",
        )
    return shade, ink

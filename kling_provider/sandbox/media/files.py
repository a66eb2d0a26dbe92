# SPDX-License-Identifier: Apache-2.0
"""Descriptions of media, light enough to be made for every answer; the libraries that draw load with the first write."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Protocol

from kling_provider.sandbox.media.inputs import InputImage

FRAME_RATE = 24
"""Frames a second. A video has one frame more than asked, as Kling's do: "5.041" for 5 seconds."""


class MediaFile(Protocol):
    """Something that can be downloaded. What it contains follows from its fields alone."""

    @property
    def file_suffix(self) -> str: ...

    @property
    def content_type(self) -> str: ...

    def write_file(self, target: Path, *, short_side: int | None = None) -> None:
        """Make the file.

        :param short_side: pixels of the shorter side of a video, in the place of its own.
        """


@dataclass(frozen=True, kw_only=True)
class VideoFile:
    """H.264 in an MP4, moving, with the prompt in its frames."""

    file_suffix: ClassVar[str] = ".mp4"
    content_type: ClassVar[str] = "video/mp4"

    seed: str
    """Decides the motion; colours follow the prompt, so that takes of one prompt look related."""
    prompt: str
    facts: str
    """What stands above the frames."""
    name: str
    """What stands below the prompt."""
    title: str
    seconds: float
    resolution: str = "720p"
    """``720p``, ``1080p``, ``4k``, or any other number of pixels of the shorter side."""
    aspect_ratio: str | None = None
    """None: that of the first frame, or 16:9."""
    sound: bool = False
    first_frame: InputImage | None = None
    beside: InputImage | None = None
    """Is shown to the right of the first frame."""
    watermark: bool = False

    @property
    def wire_duration(self) -> str:
        """Return the seconds as on Kling's wire: ``5.041``."""
        return f"{math.floor(self.frame_count * 1000 / FRAME_RATE) / 1000:g}"

    @property
    def frame_count(self) -> int:
        """Return how many frames it has."""
        return round(self.seconds * FRAME_RATE) + 1

    def write_file(self, target: Path, *, short_side: int | None = None) -> None:
        """Render the video."""
        from kling_provider.sandbox.media.video import render_video

        written = replace(self, prompt=_drop_surrogates(self.prompt), name=_drop_surrogates(self.name))
        render_video(written, target, short_side=short_side)


@dataclass(frozen=True, kw_only=True)
class ImageFile:
    """A still of exactly ``width`` by ``height`` pixels."""

    seed: str
    """Decides the landscape: images of one task differ by theirs."""
    prompt: str
    facts: str
    name: str
    width: int
    height: int
    format: str = "png"
    """``png`` or ``jpeg``."""
    image: InputImage | None = None
    """Is shown in the place of a landscape, where the sandbox has it."""
    inset: bool = False
    """It is shown inside of a landscape, so that images made from one differ."""
    watermark: bool = False

    @property
    def file_suffix(self) -> str:
        """Return the suffix of the file's name, with its dot."""
        return ".png" if self.format == "png" else ".jpg"

    @property
    def content_type(self) -> str:
        """Return the media type."""
        return f"image/{self.format}"

    def write_file(self, target: Path, *, short_side: int | None = None) -> None:
        """Draw the image; its size is what was asked, whatever ``short_side`` says."""
        from kling_provider.sandbox.media.image import write_image

        written = replace(self, prompt=_drop_surrogates(self.prompt), name=_drop_surrogates(self.name))
        write_image(written, target)


@dataclass(frozen=True, kw_only=True)
class SoundFile:
    """Sound of ``seconds`` seconds, mono; the chord follows the prompt, the rhythm the seed."""

    seed: str
    prompt: str
    seconds: float
    format: str = "mp3"
    """``mp3`` or ``wav``."""

    @property
    def file_suffix(self) -> str:
        """Return the suffix of the file's name, with its dot."""
        return f".{self.format}"

    @property
    def content_type(self) -> str:
        """Return the media type."""
        return "audio/mpeg" if self.format == "mp3" else "audio/wav"

    @property
    def wire_duration(self) -> str:
        """Return the seconds as on Kling's wire: ``2``."""
        return f"{self.seconds:g}"

    def write_file(self, target: Path, *, short_side: int | None = None) -> None:
        """Play it into a file."""
        from kling_provider.sandbox.media.audio import write_sound

        write_sound(replace(self, prompt=_drop_surrogates(self.prompt)), target)


@dataclass(frozen=True, kw_only=True)
class TextFile:
    """A file of words, as subtitles are."""

    text: str
    file_suffix: str = ".srt"
    content_type: str = "text/plain; charset=utf-8"

    def write_file(self, target: Path, *, short_side: int | None = None) -> None:
        """Write the text as UTF-8."""
        target.write_text(_drop_surrogates(self.text), encoding="utf-8")


def _drop_surrogates(text: str) -> str:
    """Replace halves of surrogate pairs, which JSON can hold and neither a file nor a font can."""
    return text.encode("utf-8", "replace").decode()

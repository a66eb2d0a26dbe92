# SPDX-License-Identifier: Apache-2.0
"""A video that gets another sound; its pictures stay as they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, ClassVar

from kling_provider.sandbox.media.files import SoundFile
from kling_provider.sandbox.media.sources import Source


@dataclass(frozen=True, kw_only=True)
class DubbedVideo:
    """The pictures of a source with a sound of the same length in the place of its own."""

    source: Source
    sound: SoundFile
    file_suffix: ClassVar[str] = ".mp4"
    content_type: ClassVar[str] = "video/mp4"

    @property
    def sources(self) -> Sequence[Source]:
        """Return what it is made of."""
        return (self.source,)

    def measure(self) -> Source:
        """Return its facts."""
        return replace(self.source, has_sound=True, id="", url="", sample=None, format="mp4")

    def write_from(self, parts: Sequence[BinaryIO], target: Path, *, short_side: int | None = None) -> None:
        """Copy the pictures and add the sound."""
        from kling_provider.sandbox.media.mixing import dub_video

        dub_video(parts[0], self.sound, target)

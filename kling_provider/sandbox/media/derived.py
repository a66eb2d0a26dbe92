# SPDX-License-Identifier: Apache-2.0
"""Descriptions of files that are made of other files: of the video and the sound that came with a request."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, ClassVar, Protocol, runtime_checkable

from kling_provider.sandbox.media.sources import Source


@runtime_checkable
class DerivedFile(Protocol):
    """Something that can be downloaded, and is made of the files of its sources."""

    @property
    def file_suffix(self) -> str: ...

    @property
    def content_type(self) -> str: ...

    @property
    def sources(self) -> Sequence[Source]: ...

    def write_from(self, parts: Sequence[BinaryIO], target: Path, *, short_side: int | None = None) -> None:
        """Make the file.

        :param parts: the files of the sources, open for reading.
        :param short_side: pixels of the shorter side of a video, in the place of its own.
        """


@dataclass(frozen=True, kw_only=True)
class CopiedFile:
    """The very file of a source."""

    source: Source
    file_suffix: ClassVar[str] = ".mp4"
    content_type: ClassVar[str] = "video/mp4"

    @property
    def sources(self) -> Sequence[Source]:
        """Return what it is made of."""
        return (self.source,)

    def measure(self) -> Source:
        """Return its facts."""
        return self.source

    def write_from(self, parts: Sequence[BinaryIO], target: Path, *, short_side: int | None = None) -> None:
        """Copy the file."""
        with target.open("wb") as file:
            shutil.copyfileobj(parts[0], file)

# SPDX-License-Identifier: Apache-2.0
"""Descriptions of files that are made of other files: of the video and the sound that came with a request."""

from __future__ import annotations

import math
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, ClassVar, Protocol, runtime_checkable

from kling_provider.sandbox.media.files import FRAME_RATE, VideoFile
from kling_provider.sandbox.media.inputs import InputImage
from kling_provider.sandbox.media.masks import Shape
from kling_provider.sandbox.media.sources import Source, describe_file


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


def format_seconds(seconds: float) -> str:
    """Return seconds as on Kling's wire, rounded down: ``5.041``."""
    return f"{math.floor(seconds * 1000 + 1e-6) / 1000:.7g}"


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


@dataclass(frozen=True, kw_only=True)
class ScoredVideo:
    """A video of the sandbox's own, with the sound of a source."""

    video: VideoFile
    track: Source | None
    """None: it is silent."""
    watermark: bool = False
    file_suffix: ClassVar[str] = ".mp4"
    content_type: ClassVar[str] = "video/mp4"

    @property
    def sources(self) -> Sequence[Source]:
        """Return what it is made of."""
        return (self.track,) if self.track is not None else ()

    @property
    def wire_duration(self) -> str:
        """Return the seconds as on Kling's wire."""
        return self.video.wire_duration

    def measure(self) -> Source | None:
        """Return its facts."""
        facts = describe_file(self.video)
        return facts and Source(**{**facts.to_json(), "has_sound": self.track is not None})

    def write_from(self, parts: Sequence[BinaryIO], target: Path, *, short_side: int | None = None) -> None:
        """Render the video, and put the sound below it."""
        from kling_provider.sandbox.media import mixing

        with tempfile.NamedTemporaryFile(suffix=".mp4", dir=target.parent) as silent:
            film = replace(self.video, sound=False, watermark=self.watermark)
            film.write_file(Path(silent.name), short_side=short_side)
            samples = mixing.read_samples(parts[0] if parts else None)
            if samples:
                samples = mixing.fit_samples(samples, mixing.count_samples(self.video.frame_count))
            with Path(silent.name).open("rb") as file:
                mixing.copy_film(file, target, samples)


@dataclass(frozen=True, kw_only=True)
class TalkingVideo:
    """The frames of a video with a sound in it, and with what is left of its own."""

    source: Source
    sound: Source
    start: float = 0
    """Seconds of the sound where the part begins that is heard."""
    end: float | None = None
    """And where it ends; None: at its end."""
    at: float = 0
    """Seconds of the video where it sets in."""
    volume: float = 1
    own_volume: float = 1
    """Of the video's own sound."""
    watermark: bool = False
    file_suffix: ClassVar[str] = ".mp4"
    content_type: ClassVar[str] = "video/mp4"

    @property
    def sources(self) -> Sequence[Source]:
        """Return what it is made of."""
        return (self.source, self.sound)

    @property
    def wire_duration(self) -> str:
        """Return the seconds as on Kling's wire."""
        return format_seconds(self.source.seconds)

    def measure(self) -> Source:
        """Return its facts."""
        return Source(
            seconds=self.source.seconds,
            width=self.source.width,
            height=self.source.height,
            format="mp4",
            faces=self.source.faces,
        )

    def write_from(self, parts: Sequence[BinaryIO], target: Path, *, short_side: int | None = None) -> None:
        """Mix the sound into that of the video."""
        from kling_provider.sandbox.media import mixing

        rate = mixing.SAMPLE_RATE
        count = mixing.count_samples(round(self.source.seconds * FRAME_RATE))
        own = mixing.fit_samples(mixing.read_samples(parts[0]), count)
        end = None if self.end is None else round(self.end * rate)
        heard = mixing.read_samples(parts[1])[round(self.start * rate) : end]
        mixed = mixing.mix_samples(
            own,
            heard,
            at=round(self.at * rate),
            ground_volume=self.own_volume,
            added_volume=self.volume,
        )
        if self.watermark:
            mixing.write_film(mixing.mark_frames(mixing.read_frames(parts[0])), target, mixed)
        else:
            mixing.copy_film(parts[0], target, mixed)


@dataclass(frozen=True, kw_only=True)
class ExtendedVideo:
    """A video that goes on where another one ends."""

    source: Source
    added: VideoFile
    """What is added; it grows out of the last frame."""
    watermark: bool = False
    file_suffix: ClassVar[str] = ".mp4"
    content_type: ClassVar[str] = "video/mp4"

    @property
    def sources(self) -> Sequence[Source]:
        """Return what it is made of."""
        return (self.source,)

    @property
    def seconds(self) -> float:
        """Return the length of the whole."""
        return self.source.seconds + self.added.seconds

    @property
    def wire_duration(self) -> str:
        """Return the seconds as on Kling's wire."""
        return format_seconds(self.seconds)

    def measure(self) -> Source:
        """Return its facts."""
        return Source(**{**self.source.to_json(), "seconds": round(self.seconds, 3), "id": "", "task_id": ""})

    def write_from(self, parts: Sequence[BinaryIO], target: Path, *, short_side: int | None = None) -> None:
        """Write the frames of the source, then the new ones."""
        from kling_provider.sandbox.media import mixing
        from kling_provider.sandbox.media.video import draw_frames_after

        frames = list(mixing.read_frames(parts[0]))
        count = round(self.added.seconds * FRAME_RATE)
        samples = mixing.read_samples(parts[0])
        if samples:
            samples = mixing.fit_samples(samples, mixing.count_samples(len(frames) + count))
        film = [*frames, *draw_frames_after(frames[-1], self.added, count)]
        mixing.write_film(mixing.mark_frames(film) if self.watermark else film, target, samples)


@dataclass(frozen=True, kw_only=True)
class FrameFile:
    """One frame of a video as a still, or a part of it."""

    source: Source
    seconds: float = 0
    box: tuple[float, float, float, float] = (0, 0, 1, 1)
    """Left, top, right, bottom, as shares of the sides."""
    file_suffix: ClassVar[str] = ".png"
    content_type: ClassVar[str] = "image/png"

    @property
    def sources(self) -> Sequence[Source]:
        """Return what it is made of."""
        return (self.source,)

    def write_from(self, parts: Sequence[BinaryIO], target: Path, *, short_side: int | None = None) -> None:
        """Cut the still out of the video."""
        from kling_provider.sandbox.media import mixing

        frame = mixing.read_frame(parts[0], round(self.seconds * FRAME_RATE))
        left, top, right, bottom = self.box
        width, height = frame.size
        frame.crop((int(left * width), int(top * height), int(right * width), int(bottom * height))).save(
            target, "PNG", compress_level=1
        )


@dataclass(frozen=True, kw_only=True)
class EditedVideo:
    """A video in which what was marked is another thing now, or gone; it ends early, or stands still at its end."""

    source: Source
    seconds: float
    edit: str
    """``addition`` and ``swap`` show the images, ``removal`` a grey disc, ``outline`` the marks, ``mask`` them alone."""
    shapes: tuple[Shape, ...]
    images: tuple[InputImage, ...] = ()
    watermark: bool = False
    file_suffix: ClassVar[str] = ".mp4"
    content_type: ClassVar[str] = "video/mp4"

    @property
    def sources(self) -> Sequence[Source]:
        """Return what it is made of."""
        return (self.source,)

    @property
    def wire_duration(self) -> str:
        """Return the seconds as on Kling's wire."""
        return format_seconds(self.seconds)

    def measure(self) -> Source:
        """Return its facts."""
        return Source(**{**self.source.to_json(), "seconds": self.seconds, "id": "", "task_id": ""})

    def write_from(self, parts: Sequence[BinaryIO], target: Path, *, short_side: int | None = None) -> None:
        """Edit the frames; the sound stays."""
        from kling_provider.sandbox.media import mixing
        from kling_provider.sandbox.media.edits import edit_frames

        count = round(self.seconds * FRAME_RATE)
        samples = mixing.read_samples(parts[0])
        if samples:
            samples = mixing.fit_samples(samples, mixing.count_samples(count))
        frames = edit_frames(
            mixing.read_frames(parts[0]), count, edit=self.edit, shapes=self.shapes, images=self.images
        )
        mixing.write_film(mixing.mark_frames(frames) if self.watermark else frames, target, samples)


MadeVideo = VideoFile | ScoredVideo | TalkingVideo | ExtendedVideo | EditedVideo
"""A video that is the output of a task; all of them have ``watermark`` and ``wire_duration``."""

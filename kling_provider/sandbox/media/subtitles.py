# SPDX-License-Identifier: Apache-2.0
"""Subtitles: as files, SubRip (``.srt``) and Advanced SubStation Alpha (``.ass``), and in the frames of a video."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, ClassVar

from kling_provider.sandbox.media.files import TextFile
from kling_provider.sandbox.media.sources import Source

_SRT_TYPE = "application/x-subrip; charset=utf-8"
_ASS_TYPE = "text/x-ssa; charset=utf-8"
_GAP = 0.2
"""Seconds between two lines."""


@dataclass(frozen=True, kw_only=True)
class Cue:
    """One line, and when it is shown (seconds)."""

    start: float
    end: float
    text: str


@dataclass(frozen=True, kw_only=True)
class Look:
    """How lines are shown in a video of ``width`` by ``height`` pixels."""

    width: int
    height: int
    font_size: int
    """Pixels of a letter's height."""
    margin_v: int
    """Pixels below a line."""


@dataclass(frozen=True, kw_only=True)
class SubbedFile:
    """The video of a source with lines in its frames, and with its sound."""

    file_suffix: ClassVar[str] = ".mp4"
    content_type: ClassVar[str] = "video/mp4"

    source: Source
    cues: Sequence[Cue]
    look: Look

    @property
    def sources(self) -> Sequence[Source]:
        """Return what it is made of."""
        return (self.source,)

    @property
    def wire_duration(self) -> str:
        """Return the seconds as on Kling's wire: ``5.041``."""
        return f"{self.source.seconds:g}"

    def measure(self) -> Source:
        """Return its facts."""
        return self.source

    def write_from(self, parts: Sequence[BinaryIO], target: Path, *, short_side: int | None = None) -> None:
        """Draw the lines; size and length are those of the source."""
        from kling_provider.sandbox.media.subbing import burn_cues

        burn_cues(self, parts[0], target)


def build_cues(lines: Sequence[str], *, seconds: float, letters_per_second: int) -> list[Cue]:
    """Spread lines over a video, again and again, each as long as it takes to read; what has no time left is left out."""
    cues: list[Cue] = []
    start = 0.0
    while lines:
        text = lines[len(cues) % len(lines)]
        end = start + len(text) / letters_per_second
        if end > seconds:
            break
        cues.append(Cue(start=start, end=end, text=text))
        start = end + _GAP
    return cues


def build_srt(cues: Sequence[Cue]) -> TextFile:
    """Build the file of SubRip."""
    blocks = [
        f"{number}\n{_format_srt_time(cue.start)} --> {_format_srt_time(cue.end)}\n{cue.text}\n"
        for number, cue in enumerate(cues, 1)
    ]
    return TextFile(text="\n".join(blocks), file_suffix=".srt", content_type=_SRT_TYPE)


def build_ass(cues: Sequence[Cue], look: Look) -> TextFile:
    """Build the file of SubStation Alpha."""
    events = "".join(
        f"Dialogue: 0,{_format_ass_time(cue.start)},{_format_ass_time(cue.end)},Default,,0,0,0,,{cue.text}\n"
        for cue in cues
    )
    text = f"""\
[Script Info]
ScriptType: v4.00+
PlayResX: {look.width}
PlayResY: {look.height}
WrapStyle: 0

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, Italic, Underline, \
StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR, MarginV, Encoding
Style: Default,Arial,{look.font_size},&H00FFFFFF,&H000000FF,&H00000000,&H80000000,0,0,0,0,100,100,0,0,1,2,1,2,40,40,{look.margin_v},1

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
{events}"""
    return TextFile(text=text, file_suffix=".ass", content_type=_ASS_TYPE)


def _format_srt_time(seconds: float) -> str:
    whole = round(seconds * 1000)
    return f"{whole // 3_600_000:02}:{whole // 60_000 % 60:02}:{whole // 1000 % 60:02},{whole % 1000:03}"


def _format_ass_time(seconds: float) -> str:
    whole = round(seconds * 100)
    return f"{whole // 360_000}:{whole // 6000 % 60:02}:{whole // 100 % 60:02}.{whole % 100:02}"

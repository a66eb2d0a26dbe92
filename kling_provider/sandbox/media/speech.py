# SPDX-License-Identifier: Apache-2.0
"""Speech, described: a text in a voice. :mod:`~kling_provider.sandbox.media.talking` makes it when it is fetched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

PAUSE = ""
"""A syllable that is not heard."""
_LETTERS = 0.08
"""Seconds of one Latin letter; two of them are a syllable."""
_SIGN = 0.22
"""Seconds of one sign of a writing whose signs are syllables."""
_REST = 0.12
_SHORTEST = 1.0


@dataclass(frozen=True, kw_only=True)
class SpeechFile:
    """A text that is spoken in a voice, mono; the pitch follows the voice, the length the text."""

    voice: str
    text: str
    speed: float = 1.0
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
    def seconds(self) -> float:
        """Return the length, in seconds with one decimal."""
        spoken = sum(seconds for _, seconds in split_syllables(self.text)) / self.speed
        return max(_SHORTEST, round(spoken, 1))

    @property
    def wire_duration(self) -> str:
        """Return the seconds as on Kling's wire: ``11.3``."""
        return f"{self.seconds:g}"

    def write_file(self, target: Path, *, short_side: int | None = None) -> None:
        """Speak it into a file."""
        from kling_provider.sandbox.media.talking import write_speech

        write_speech(self, target)


def split_syllables(text: str) -> Sequence[tuple[str, float]]:
    """Return what is heard of a text: syllables, and :data:`PAUSE` between words, each with its seconds."""
    found: list[tuple[str, float]] = []
    letters = ""
    for sign in f"{text} ":
        if sign.isascii() and sign.isalnum():
            letters += sign
            if len(letters) < 2:
                continue
        if letters:
            found.append((letters.lower(), _LETTERS * len(letters)))
        if not sign.isalnum():
            found.append((PAUSE, _REST))
        elif not sign.isascii():
            found.append((sign, _SIGN))
        letters = ""
    return found[:-1]

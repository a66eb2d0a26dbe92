# SPDX-License-Identifier: Apache-2.0
"""Sound: plucked chords over a soft pad, as WAV (16 bit) or MP3. Imported only when sound is made.

Everything follows from prompt and seed, so the MP3 and the WAV of one output are the same piece.
"""

from __future__ import annotations

import array
import hashlib
import math
import random
import sys
import wave
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from kling_provider.sandbox.media.files import SoundFile

SAMPLE_RATE = 44_100
_BEAT = 0.5
"""Seconds between two notes."""
_FADE = 0.05
"""Seconds in which it begins and ends, so that there is no click."""
_SCALE = (1, 9 / 8, 5 / 4, 3 / 2, 5 / 3, 2)
"""A pentatonic scale and its octave: any two notes of it sound well together."""


def write_sound(sound: SoundFile, target: Path) -> None:
    """Write ``sound`` to ``target`` in its format."""
    samples = compose_samples(sound.prompt, sound.seed, sound.seconds)
    write_samples(samples, target, sound.format, title=sound.prompt[:200])


def write_samples(samples: array.array[int], target: Path, format: str, *, title: str) -> None:
    """Write signed 16 bit samples to ``target`` as ``wav`` or ``mp3``.

    :param title: what an MP3 says of itself.
    """
    if format == "wav":
        _write_wav(samples, target)
    else:
        _write_mp3(samples, target, title=title)


def compose_samples(prompt: str, seed: str, seconds: float) -> array.array[int]:
    """Return ``seconds`` of music as signed 16 bit samples."""
    count = round(seconds * SAMPLE_RATE)
    digest = hashlib.sha256(prompt.encode()).digest()
    root = (196, 220, 247, 262, 294, 330)[digest[0] % 6]
    dice = random.Random(f"{seed}/{prompt}")
    pad = [0.0] * count
    turn = 2 * math.pi / SAMPLE_RATE
    for at in range(count):
        pad[at] = 0.05 * (math.sin(turn * root / 2 * at) + 0.6 * math.sin(turn * root * 0.75 * at))
    length = round(SAMPLE_RATE * _BEAT * 2)
    plucked = {note: _pluck_note(root * note, length) for note in _SCALE}
    for beat in range(math.ceil(seconds / _BEAT)):
        note = plucked[dice.choice(_SCALE)]
        start = round(beat * _BEAT * SAMPLE_RATE)
        for offset in range(min(length, count - start)):
            pad[start + offset] += note[offset]
    fade = max(1, min(round(_FADE * SAMPLE_RATE), count // 2))
    for at in range(min(fade, count)):
        pad[at] *= at / fade
        pad[count - 1 - at] *= at / fade
    return array.array("h", (max(-32767, min(32767, round(value * 32767))) for value in pad))


def _pluck_note(frequency: float, length: int) -> list[float]:
    """Compute ``length`` samples of one note that dies away, with two overtones."""
    turn = 2 * math.pi * frequency / SAMPLE_RATE
    fall = math.exp(-5.0 / SAMPLE_RATE)
    level, note = 0.22, []
    for at in range(length):
        note.append(
            level * (math.sin(turn * at) + 0.4 * math.sin(2 * turn * at) + 0.15 * math.sin(3 * turn * at))
        )
        level *= fall
    return note


def _write_wav(samples: array.array[int], target: Path) -> None:
    if sys.byteorder == "big":
        samples = array.array("h", samples)
        samples.byteswap()
    with wave.open(str(target), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(samples.tobytes())


def _write_mp3(samples: array.array[int], target: Path, *, title: str) -> None:
    with av.open(str(target), "w", format="mp3") as container:
        container.metadata["title"] = title
        stream: Any = container.add_stream("libmp3lame", rate=SAMPLE_RATE, layout="mono")
        stream.bit_rate = 128_000
        size = 1152  # samples in a frame of an MP3
        for start in range(0, len(samples), size):
            part = samples[start : start + size]
            frame = av.AudioFrame(format="s16p", layout="mono", samples=len(part))
            frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE, start, Fraction(1, SAMPLE_RATE)
            frame.planes[0].update(part.tobytes().ljust(frame.planes[0].buffer_size, b"\0"))
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))

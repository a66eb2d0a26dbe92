# SPDX-License-Identifier: Apache-2.0
"""What a voice sounds like: syllables with its pitch, one after the other. Imported only when speech is made."""

from __future__ import annotations

import array
import hashlib
import math
from pathlib import Path

from kling_provider.sandbox.media.audio import SAMPLE_RATE, write_samples
from kling_provider.sandbox.media.speech import PAUSE, SpeechFile, split_syllables

_VOWELS = (
    (1.0, 0.5, 0.2, 0.1),
    (1.0, 0.2, 0.5, 0.3),
    (0.6, 1.0, 0.3, 0.1),
    (0.5, 0.3, 0.9, 0.6),
    (0.8, 0.7, 0.1, 0.4),
)
"""How loud the overtones of a vowel are."""
_EDGE = 600
"""Samples in which a syllable begins and ends."""


def write_speech(speech: SpeechFile, target: Path) -> None:
    """Write ``speech`` to ``target`` in its format."""
    bank: dict[tuple[int, int], array.array[int]] = {}
    pitch = 90 + int(hashlib.sha256(speech.voice.encode()).hexdigest()[:4], 16) % 170
    samples = array.array("h")
    for syllable, seconds in split_syllables(speech.text):
        length = round(seconds / speech.speed * SAMPLE_RATE)
        if syllable == PAUSE:
            samples.extend(array.array("h", bytes(2 * length)))
            continue
        kind = int(hashlib.sha256(syllable.encode("utf-8", "replace")).hexdigest()[:4], 16) % 15
        if (kind, length) not in bank:
            tone = pitch * (0.9, 1.0, 1.12)[kind % 3]
            bank[kind, length] = _sing_vowel(_VOWELS[kind // 3], tone, length)
        samples.extend(bank[kind, length])
    whole = round(speech.seconds * SAMPLE_RATE)
    samples = samples[:whole]
    samples.extend(array.array("h", bytes(2 * (whole - len(samples)))))
    write_samples(samples, target, speech.format, title=speech.text[:200].encode("utf-8", "replace").decode())


def _sing_vowel(overtones: tuple[float, ...], pitch: float, length: int) -> array.array[int]:
    """Return ``length`` samples of one vowel, loud in its middle."""
    turn = 2 * math.pi * pitch / SAMPLE_RATE
    sung = array.array("h")
    for at in range(length):
        edge = min(1.0, at / _EDGE, (length - 1 - at) / _EDGE)
        wave = sum(loud * math.sin(turn * number * at) for number, loud in enumerate(overtones, 1))
        sung.append(round(7000 * edge * wave))
    return sung

# SPDX-License-Identifier: Apache-2.0
"""Sound and frames of files that are there already: measured, read, mixed, written anew. Imported only when needed."""

from __future__ import annotations

import array
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import av
from av.audio.resampler import AudioResampler
from PIL import Image

from kling_provider.sandbox.media import captions
from kling_provider.sandbox.media.audio import SAMPLE_RATE as COMPOSED_RATE
from kling_provider.sandbox.media.audio import compose_samples
from kling_provider.sandbox.media.files import FRAME_RATE, SoundFile

SAMPLE_RATE = 48_000
"""Samples a second, of the sound of every video."""
_NAMES = {"mp3": "mp3", "wav": "wav", "aac": "aac"}
Samples: TypeAlias = "array.array[int]"


def measure_sound(file: BinaryIO) -> tuple[str, float] | None:
    """Return format and seconds of a sound by decoding it; None where it is none."""
    try:
        with av.open(file, "r") as container:
            names = container.format.name.split(",")
            rate, count = 0, 0
            for frame in container.decode(audio=0):
                rate, count = frame.sample_rate, count + frame.samples
    except (av.error.FFmpegError, IndexError):
        return None
    known = next((name for name in names if name in _NAMES), "m4a" if "m4a" in names else names[0])
    return (known, count / rate) if count else None


def read_samples(file: BinaryIO | None) -> Samples:
    """Return the sound of a file as mono samples of 16 bits; empty where it has none, or is none."""
    samples = array.array("h")
    if file is None:
        return samples
    file.seek(0)
    with av.open(file, "r") as container:
        if not container.streams.audio:
            return samples
        resampler = AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)
        for frame in container.decode(audio=0):
            for part in resampler.resample(frame):
                samples.frombytes(bytes(part.planes[0])[: part.samples * 2])
        for part in resampler.resample(None):
            samples.frombytes(bytes(part.planes[0])[: part.samples * 2])
    return samples


def mix_samples(
    ground: Samples, added: Samples, *, at: int, ground_volume: float = 1, added_volume: float = 1
) -> Samples:
    """Return ``ground`` with ``added`` on top from its sample ``at`` on, each at its volume; what is too long is cut."""
    mixed = array.array("h", ground)
    if ground_volume != 1:
        mixed = array.array("h", (_clip(value * ground_volume) for value in ground))
    for index, value in enumerate(added[: max(0, len(mixed) - at)], at):
        mixed[index] = _clip(mixed[index] + value * added_volume)
    return mixed


def _clip(value: float) -> int:
    return max(-32_768, min(32_767, round(value)))


def fit_samples(samples: Samples, count: int) -> Samples:
    """Return exactly ``count`` samples: cut, or with silence behind."""
    return samples[:count] + array.array("h", bytes(2 * max(0, count - len(samples))))


def read_frames(file: BinaryIO) -> Iterator[Image.Image]:
    """Yield the frames of a video as RGB images."""
    file.seek(0)
    with av.open(file, "r") as container:
        for frame in container.decode(video=0):
            image: Image.Image = frame.to_image()  # type: ignore[no-untyped-call]
            yield image


def read_frame(file: BinaryIO, index: int) -> Image.Image:
    """Return one frame of a video, the last one where it has not so many."""
    found = None
    for number, frame in enumerate(read_frames(file)):
        found = frame
        if number == index:
            break
    if found is None:
        raise ValueError("the video has no frames")
    return found


def dub_video(file: BinaryIO, sound: SoundFile, target: Path) -> None:
    """Write the pictures of a video, bit by bit as they are, with another sound."""
    samples = compose_samples(sound.prompt, sound.seed, sound.seconds)
    file.seek(0)
    with av.open(file, "r") as given, av.open(str(target), "w", format="mp4") as container:
        pictures = given.streams.video[0]
        video = container.add_stream_from_template(pictures)
        audio = container.add_stream("aac", rate=COMPOSED_RATE, layout="mono")
        for packet in given.demux(pictures):
            if packet.dts is not None:
                packet.stream = video
                container.mux(packet)
        _add_sound(container, audio, samples, rate=COMPOSED_RATE)


def _add_sound(container: Any, stream: Any, samples: Samples, *, rate: int = SAMPLE_RATE) -> None:
    """Encode samples into a stream of AAC."""
    for start in range(0, len(samples), 1024):
        part = samples[start : start + 1024]
        frame = av.AudioFrame(format="s16", layout="mono", samples=len(part))
        frame.sample_rate, frame.pts, frame.time_base = rate, start, Fraction(1, rate)
        frame.planes[0].update(part.tobytes().ljust(frame.planes[0].buffer_size, b"\0"))
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def copy_film(film: BinaryIO, target: Path, samples: Samples) -> None:
    """Write the very frames of a film with other sound; without samples it is silent."""
    film.seek(0)
    with av.open(film, "r") as source, _open_target(target) as made:
        stream = source.streams.video[0]
        video = made.add_stream_from_template(stream)
        audio = made.add_stream("aac", rate=SAMPLE_RATE, layout="mono") if samples else None
        for packet in source.demux(stream):
            if packet.dts is not None:
                packet.stream = video
                made.mux(packet)
        if audio is not None:
            _add_sound(made, audio, samples)


def write_film(frames: Iterable[Image.Image], target: Path, samples: Samples) -> None:
    """Write frames of one size as a film; without samples it is silent."""
    with _open_target(target) as made:
        video: Any = None
        audio: Any = None
        for index, image in enumerate(frames):
            if video is None:
                video = made.add_stream("libx264", rate=FRAME_RATE)
                video.width, video.height, video.pix_fmt = image.width, image.height, "yuv420p"
                video.options = {"preset": "ultrafast", "crf": "20"}
                video.codec_context.thread_count = 1
                audio = made.add_stream("aac", rate=SAMPLE_RATE, layout="mono") if samples else None
            frame = av.VideoFrame.from_image(image).reformat(format="yuv420p")  # type: ignore[no-untyped-call]
            frame.pts, frame.time_base = index, Fraction(1, FRAME_RATE)
            made.mux(video.encode(frame))
        made.mux(video.encode(None))
        if audio is not None:
            _add_sound(made, audio, samples)


def mark_frames(frames: Iterable[Image.Image]) -> Iterator[Image.Image]:
    """Write the watermark into frames."""
    for frame in frames:
        marked = frame.copy()
        captions.write_captions(marked, prompt="", facts="", name="", badge=True)
        yield marked


def _open_target(target: Path) -> Any:
    return av.open(str(target), "w", format="mp4", options={"movflags": "faststart"})


def count_samples(frames: int) -> int:
    """Return how many samples belong to so many frames."""
    return frames * SAMPLE_RATE // FRAME_RATE

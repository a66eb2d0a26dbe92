# SPDX-License-Identifier: Apache-2.0
"""Videos: H.264 in an MP4, moving, with the prompt in the frames, AAC where sound was asked.

Drawing happens on the three planes of YUV 4:2:0 themselves, which saves a colour conversion for every frame:
five seconds of 720p take about one second on one core. Imported only when a video is rendered.
"""

from __future__ import annotations

import array
import hashlib
import math
import random
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.audio.stream import AudioStream
from PIL import Image, ImageDraw, ImageFilter, ImageOps

from kling_provider.sandbox.media import captions
from kling_provider.sandbox.media.files import FRAME_RATE, VideoFile
from kling_provider.sandbox.media.image import get_rgb, load_input

_SAMPLE_RATE = 48_000
Planes = tuple[Image.Image, Image.Image, Image.Image]


def compute_size(
    resolution: str,
    aspect_ratio: str | None,
    image: tuple[int, int] | None,
    *,
    short_side: int | None = None,
) -> tuple[int, int]:
    """Return width and height in pixels, both even; without a ratio that of the first frame, or 16:9 without one."""
    if aspect_ratio is not None:
        across, down = (int(part) for part in aspect_ratio.split(":"))
    else:
        across, down = image or (16, 9)
    short = short_side or (2160 if resolution == "4k" else int(resolution.removesuffix("p")))
    ratio = across / down
    width, height = (short * ratio, short) if ratio >= 1 else (short, short / ratio)
    return round(width / 2) * 2, round(height / 2) * 2


def render_video(file: VideoFile, target: Path, *, short_side: int | None = None) -> None:
    """Write the video that ``file`` describes to ``target``.

    :param short_side: pixels of the shorter side; default: what the resolution means.
    """
    still = load_input(file.first_frame)
    if still is not None and file.beside is not None:
        still = _join_images(still, load_input(file.beside))
    width, height = compute_size(
        file.resolution, file.aspect_ratio, still.size if still else None, short_side=short_side
    )
    scene = Scene(file, width, height, still)
    frames = file.frame_count
    with av.open(str(target), "w", format="mp4", options={"movflags": "faststart"}) as container:
        container.metadata.update({"title": file.prompt[:200], "comment": file.title})
        video = container.add_stream("libx264", rate=FRAME_RATE)
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        video.options = {"preset": "ultrafast", "crf": "25"}
        video.codec_context.thread_count = 1  # renders run side by side with a whole Airflow
        audio = container.add_stream("aac", rate=_SAMPLE_RATE, layout="mono") if file.sound else None
        for index in range(frames):
            frame = av.VideoFrame(width, height, "yuv420p")
            scene.draw_frame(frame, index, frames)
            frame.pts, frame.time_base = index, Fraction(1, FRAME_RATE)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        if audio is not None:
            _add_sound(container, audio, frames * _SAMPLE_RATE // FRAME_RATE, file.prompt)


def draw_frames_after(last: Image.Image, file: VideoFile, count: int) -> Iterator[Image.Image]:
    """Draw frames that grow out of the last one of another video, at its size."""
    scene = Scene(file, last.width, last.height, last)
    for index in range(count):
        frame = av.VideoFrame(last.width, last.height, "yuv420p")
        scene.draw_frame(frame, index, count)
        image: Image.Image = frame.to_image()  # type: ignore[no-untyped-call]
        yield image


class Scene:
    """Everything that is the same in all frames, prepared once; :meth:`draw_frame` moves it."""

    def __init__(self, file: VideoFile, width: int, height: int, still: Image.Image | None) -> None:
        self.width, self.height, self.unit = width, height, min(width, height) / 720
        # colours belong to the prompt, motion to the task: takes of one prompt look related, not equal
        self.hue = int(hashlib.sha256(file.prompt.encode()).hexdigest()[:4], 16) / 0xFFFF
        dice = random.Random(file.seed)
        self.still = still is not None
        self.ground = _split_planes(_fit_image(still, width, height) if still else self._draw_gradient(dice))
        self.drift = (dice.uniform(0, 6), dice.uniform(0.5, 1.1))
        self.discs = [] if still else [self._prepare_disc(dice) for _ in range(6)]
        self.overlay = captions.draw_captions(
            width, height, prompt=file.prompt, facts=file.facts, name=file.name, badge=file.watermark
        )
        self.seconds = file.seconds
        self.clock_font = captions.choose_font(round(26 * self.unit), "0")

    def _draw_gradient(self, dice: random.Random) -> Image.Image:
        """Draw a soft field of colours: a quarter of the video's size, half as wide again as the view."""
        width, height = self.width * 3 // 8, self.height * 3 // 8
        image = Image.new("RGB", (48, 48), get_rgb(self.hue, 0.75, 0.35))
        draw = ImageDraw.Draw(image)
        for _ in range(9):
            x, y, radius = dice.uniform(0, 48), dice.uniform(0, 48), dice.uniform(8, 18)
            colour = get_rgb(
                self.hue + dice.uniform(-0.14, 0.2), dice.uniform(0.5, 0.9), dice.uniform(0.35, 0.95)
            )
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)
        image = image.filter(ImageFilter.GaussianBlur(6))
        return image.resize((width, height), Image.Resampling.BICUBIC)

    def _prepare_disc(self, dice: random.Random) -> dict[str, Any]:
        radius, soft = dice.uniform(40, 150) * self.unit, dice.choice((1, 4, 14)) * self.unit
        half = int(radius + 3 * soft) // 2 * 2  # room for the blur
        mask = Image.new("L", (half * 2, half * 2))
        circle = (half - radius, half - radius, half + radius, half + radius)
        ImageDraw.Draw(mask).ellipse(circle, fill=int(dice.uniform(60, 160)))
        mask = mask.filter(ImageFilter.GaussianBlur(soft))
        swatch = _split_planes(
            Image.new("RGB", (2, 2), get_rgb(self.hue + dice.uniform(0.0, 0.5), 0.45, 1.0))
        )
        return {
            "masks": (mask, mask.resize((half, half))),
            "colour": tuple(plane.getpixel((0, 0)) for plane in swatch),
            "centre": (dice.random(), dice.random()),
            "swing": (dice.uniform(0.1, 0.35), dice.uniform(0.1, 0.35)),
            "pace": (dice.uniform(0.4, 1.3), dice.uniform(0.4, 1.3), dice.uniform(0, 6)),
        }

    def draw_frame(self, frame: av.VideoFrame, index: int, frames: int) -> None:
        """Fill the planes of one frame."""
        seconds, share = index / FRAME_RATE, index / max(1, frames - 1)
        for number, plane in enumerate(frame.planes):
            half = 1 if number == 0 else 2
            width, height = self.width // half, self.height // half
            canvas = self._crop_view(self.ground[number], (width, height), seconds, share)
            for disc in self.discs:
                x, y = self._locate_disc(disc, seconds)
                mask = disc["masks"][min(number, 1)]
                canvas.paste(disc["colour"][number], (int(x / half), int(y / half)), mask)
            self.overlay.draw_plane(canvas, number)
            self._draw_clock(canvas, number, seconds, share)
            if plane.line_size != width:  # rows of a frame are padded for the encoder's sake
                canvas = canvas.crop((0, 0, plane.line_size, height))
            plane.update(canvas.tobytes())

    def _crop_view(
        self, ground: Image.Image, size: tuple[int, int], seconds: float, share: float
    ) -> Image.Image:
        """Return the part of the ground that the camera sees: a slow zoom into an image, else a drift."""
        width, height = ground.size
        if self.still:
            zoom = 1 - 0.14 * share
            left, top = width * (1 - zoom) * 0.5, height * (1 - zoom) * 0.42
            box = (left, top, left + width * zoom, top + height * zoom)
        else:
            phase, pace = self.drift
            left = width / 6 * (1 + math.sin(phase + seconds * pace * 0.8))
            top = height / 6 * (1 + math.cos(phase * 1.7 + seconds * pace))
            box = (left, top, left + width * 2 / 3, top + height * 2 / 3)
        return ground.resize(size, Image.Resampling.BILINEAR, box=box)

    def _locate_disc(self, disc: dict[str, Any], seconds: float) -> tuple[float, float]:
        across, down, phase = disc["pace"]
        x = disc["centre"][0] + disc["swing"][0] * math.sin(phase + across * seconds)
        y = disc["centre"][1] + disc["swing"][1] * math.cos(phase * 2 + down * seconds)
        radius = disc["masks"][0].width / 2
        return x * self.width - radius, y * self.height - radius

    def _draw_clock(self, canvas: Image.Image, number: int, seconds: float, share: float) -> None:
        """Draw the time code and the progress bar."""
        half = 1 if number == 0 else 2
        end, thick = int(self.width * share / half), max(1, int(8 * self.unit / half))
        light = (235, 128, 128)[number]
        canvas.paste(light, (0, canvas.height - thick, end, canvas.height))
        if number == 0:
            text = f"{seconds:05.2f} / {self.seconds:.4g}"
            width = int(170 * self.unit)
            ImageDraw.Draw(canvas).text(
                (self.width - width, 28 * self.unit), text, fill=235, font=self.clock_font
            )


def _split_planes(image: Image.Image) -> Planes:
    """Split into luma and two chroma planes in video range; chroma has the same size, the view halves it."""
    luma, blue, red = image.convert("YCbCr").split()
    chroma = [128 + round((value - 128) * 224 / 255) for value in range(256)]
    return (
        luma.point([16 + round(value * 219 / 255) for value in range(256)]),
        blue.point(chroma),
        red.point(chroma),
    )


def _join_images(left: Image.Image, right: Image.Image | None) -> Image.Image:
    """Put two images side by side, at the height of the left one."""
    if right is None:
        return left
    right = right.resize((max(1, right.width * left.height // right.height), left.height))
    joined = Image.new("RGB", (left.width + right.width, left.height))
    joined.paste(left, (0, 0))
    joined.paste(right, (left.width, 0))
    return joined


def _fit_image(image: Image.Image, width: int, height: int) -> Image.Image:
    return ImageOps.fit(image, (width, height), Image.Resampling.BICUBIC)


def _add_sound(container: Any, stream: AudioStream, samples: int, prompt: str) -> None:
    """Add a quiet chord that breathes once a second; its frequencies are whole, so it repeats without a click."""
    digest = hashlib.sha256(prompt.encode()).digest()
    root = (196, 220, 247, 262, 294, 330)[digest[0] % 6]
    notes = (root, root * 3 // 2, root * 2, root * 5 // 2)
    turn = 2 * math.pi / _SAMPLE_RATE
    second = array.array("f")
    for at in range(_SAMPLE_RATE):
        swell = 0.6 + 0.4 * math.sin(turn * at)
        second.append(0.06 * swell * sum(math.sin(turn * note * at) for note in notes))
    sound = (second * (samples // _SAMPLE_RATE + 1))[:samples].tobytes()
    for start in range(0, samples, 1024):
        count = min(1024, samples - start)
        frame = av.AudioFrame(format="fltp", layout="mono", samples=count)
        frame.sample_rate, frame.pts, frame.time_base = _SAMPLE_RATE, start, Fraction(1, _SAMPLE_RATE)
        part = sound[start * 4 : (start + count) * 4]
        frame.planes[0].update(part.ljust(frame.planes[0].buffer_size, b"\0"))
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))

# SPDX-License-Identifier: Apache-2.0
"""Draws subtitles into the frames of a video. Imported only when one is made."""

from __future__ import annotations

from pathlib import Path
from typing import Any, BinaryIO

import av
from PIL import ImageDraw

from kling_provider.sandbox.media import captions
from kling_provider.sandbox.media.subtitles import SubbedFile


def burn_cues(file: SubbedFile, given: BinaryIO, target: Path) -> None:
    """Write the video ``given`` with the lines of ``file`` in its frames; its sound is copied as it is."""
    with (
        av.open(given, "r") as source,
        av.open(str(target), "w", format="mp4", options={"movflags": "faststart"}) as made,
    ):
        shown = source.streams.video[0]
        video = made.add_stream("libx264", rate=shown.average_rate)
        video.width, video.height, video.pix_fmt = shown.width, shown.height, "yuv420p"
        video.options = {"preset": "ultrafast", "crf": "25"}
        video.codec_context.thread_count = 1  # renders run side by side with a whole Airflow
        heard = next(iter(source.streams.audio), None)
        sound = None if heard is None else made.add_stream_from_template(heard)
        for packet in source.demux():
            if sound is not None and packet.stream is heard:
                if packet.dts is not None:  # the empty packet at the end
                    packet.stream = sound
                    made.mux(packet)
                continue
            if packet.stream is not shown:
                continue
            for frame in packet.decode():
                made.mux(video.encode(_draw_line(file, frame)))
        made.mux(video.encode(None))


def _draw_line(file: SubbedFile, frame: Any) -> Any:
    """Return the frame with the line of its time; margin and letters shrink with the video."""
    text = next((cue.text for cue in file.cues if cue.start <= frame.time < cue.end), None)
    if text is None:
        return frame
    image = frame.to_image()
    scale = image.height / file.look.height
    size = max(8, round(file.look.font_size * scale))
    at = (image.width / 2, image.height - file.look.margin_v * scale)
    font = captions.choose_font(size, text)
    ImageDraw.Draw(image).text(
        at, text, fill="white", font=font, anchor="ms", stroke_width=max(1, size // 16), stroke_fill="black"
    )
    drawn: Any = av.VideoFrame.from_image(image)  # type: ignore[no-untyped-call]
    drawn = drawn.reformat(format="yuv420p")
    drawn.pts, drawn.time_base = frame.pts, frame.time_base
    return drawn

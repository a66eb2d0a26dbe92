# SPDX-License-Identifier: Apache-2.0
"""A task that announces results of every kind, with real files beside their manifests."""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
import wave
from pathlib import Path

from airflow.sdk import DAG, Asset, task

KINDS = Asset("kling://ann_kinds/announce")
FOLDER = Path(os.environ["KLING_VIDEOS"]) / "kinds"
COLOURS = ("teal", "tomato", "gold", "orchid", "steelblue", "olive", "salmon", "indigo", "sienna")


def draw(colour: str, number: int) -> bytes:
    from PIL import Image, ImageDraw

    image = Image.new("RGB", (640, 360), colour)
    ImageDraw.Draw(image).ellipse((220, 80, 420, 280), fill="white", outline="black", width=4 + number)
    target = io.BytesIO()
    image.save(target, "PNG")
    return target.getvalue()


def render(seconds: int) -> bytes:
    """Make a video with a moving square."""
    import av
    from PIL import Image

    target = io.BytesIO()
    with av.open(target, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
        for n in range(seconds * 10):
            image = Image.new("RGB", (320, 180), (40, 60, 90))
            image.paste((250, 200, 80), (10 + 10 * n, 70, 60 + 10 * n, 120))
            container.mux(stream.encode(av.VideoFrame.from_image(image)))
        container.mux(stream.encode(None))
    return target.getvalue()


def play_tone(seconds: int) -> bytes:
    """Make a WAV of 440 Hz."""
    rate, target = 16000, io.BytesIO()
    with wave.open(target, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        tones = (int(8000 * math.sin(2 * math.pi * 440 * n / rate)) for n in range(rate * seconds))
        file.writeframes(b"".join(tone.to_bytes(2, "little", signed=True) for tone in tones))
    return target.getvalue()


def make_result(name: str) -> dict:
    """Write the files of a result, and return the extra of its event."""
    files: dict[int, tuple[str, bytes]] = {}
    if name == "nine boats":
        made = {"type": "image_generation", "model": "kling-v3", "aspect_ratio": "16:9"}
        outputs = [{"type": "image"} for _ in COLOURS]
        files = {n: (".png", draw(colour, n)) for n, colour in enumerate(COLOURS)}
    elif name == "thunder":
        made, outputs = {"type": "text_to_audio"}, [{"type": "audio", "duration": 5.0}]
        files = {0: (".wav", play_tone(5))}
    elif name == "rain on a clip":
        made = {"type": "video_to_audio"}
        outputs = [{"type": "video", "duration": 2.0}, {"type": "audio", "duration": 2.0}]
        files = {0: (".mp4", render(2)), 1: (".wav", play_tone(2))}
    elif name == "a shirt":
        made = {"type": "clothing_dupe"}
        outputs = [{"type": "product_image"}, *[{"type": "model_images"}] * 3, {"type": "product_video"}]
        files = {n: (".png", draw(COLOURS[n], n)) for n in range(4)} | {4: (".mp4", render(2))}
    elif name == "a series":
        made, outputs = (
            {"type": "drama_subtitle"},
            [{"type": "subbed_video"}, {"type": "srt"}, {"type": "ass"}],
        )
        files = {
            0: (".mp4", render(2)),
            1: (".srt", b"1\n00:00:00,000 --> 00:00:01,000\nHello\n"),
            2: (".ass", b"[Script Info]\n"),
        }
    elif name == "a keeper":
        made = {"type": "custom_voice"}
        outputs = [
            {"type": "voice", "id": "930801338081615883", "facts": {"name": "Keeper", "owned_by": "10001"}}
        ]
        files = {0: (".wav", play_tone(2))}
    elif name == "two faces":
        made = {"type": "identify_face"}
        outputs = [{"type": "session", "id": "s-83012", "facts": {"faces": "2"}}]
    else:
        made = {"type": "custom_element"}
        outputs = [{"type": "element", "id": "321922438904313", "facts": {"name": "Keeper"}}]
    key = f"kind-{name.replace(' ', '-')}"
    return {
        "kling_task_id": key,
        "name": name,
        "prompt": f"{name}, for the browser",
        **made,
        "billing": [{"charge_type": "unit", "amount": "8", "currency": None}],
        "expires_at": "2999-01-01T00:00:00+00:00",
        "outputs": outputs,
        "files": write_files(key, outputs, files),
    }


def write_files(key: str, outputs: list[dict], files: dict[int, tuple[str, bytes]]) -> list[dict]:
    FOLDER.mkdir(exist_ok=True)
    told = []
    for number, (suffix, content) in files.items():
        path = FOLDER / f"{key}-{number}{suffix}"
        path.write_bytes(content)
        sha256 = hashlib.sha256(content).hexdigest()
        told.append(
            {"output": number, "type": outputs[number]["type"], "file": f"file://{path}", "sha256": sha256}
        )
    manifest = {"kling_task_id": key, "outputs": [{**one, "file": Path(one["file"]).name} for one in told]}
    (FOLDER / f"{key}.kling.json").write_text(json.dumps(manifest))
    return told


NAMES = [
    "nine boats",
    "thunder",
    "rain on a clip",
    "a shirt",
    "a series",
    "a keeper",
    "two faces",
    "an element",
]

with DAG("ann_kinds", schedule=None, default_args={"retries": 0}):

    @task(outlets=[KINDS])
    def announce(name, *, outlet_events):
        outlet_events[KINDS].extra = make_result(name)

    announce.expand(name=NAMES)

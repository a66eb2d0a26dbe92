# SPDX-License-Identifier: Apache-2.0
"""Videos are real: codec, length, size, sound, movement. Links are signed, and end."""

from __future__ import annotations

import base64
import io
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import pytest
import requests

from kling_provider.sandbox import Sandbox
from tests.contract.sandbox_client import TIMEOUT, Client, png


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with Sandbox(time_scale=1, concurrency=100, state_dir=tmp_path_factory.mktemp("films")) as running:
        yield running


def fetched(task: dict[str, Any], **headers: str) -> requests.Response:
    return requests.get(task["outputs"][0]["url"], headers=headers, timeout=TIMEOUT)


def looked_at(data: bytes) -> dict[str, Any]:
    with av.open(io.BytesIO(data)) as container:
        video = container.streams.video[0]
        facts = {
            "codec": video.codec_context.name,
            "pixels": video.codec_context.pix_fmt,
            "size": (video.width, video.height),
            "seconds": (container.duration or 0) / 1_000_000,
            "audio": [
                (stream.codec_context.name, float(stream.duration * stream.time_base))
                for stream in container.streams.audio
            ],
        }
        frames = [bytes(frame.reformat(64, 64, "gray").planes[0]) for frame in container.decode(video=0)]
    facts["frames"] = len(frames)
    facts["moves"] = frames[0] != frames[len(frames) // 2] != frames[-1]
    return facts


@pytest.mark.parametrize(
    ("model", "settings", "size", "sound"),
    [
        ("kling-3.0", {"duration": 5, "audio": "off"}, (1280, 720), False),
        ("kling-3.0", {"duration": 3, "aspect_ratio": "9:16", "audio": "native"}, (720, 1280), True),
        ("kling-3.0", {"duration": 3, "aspect_ratio": "1:1", "resolution": "1080p"}, (1080, 1080), False),
        ("kling-3.0-turbo", {"duration": 3}, (1280, 720), True),
        ("kling-4.0-flash", {"duration": 3, "aspect_ratio": "21:9"}, (1680, 720), True),
    ],
)
def test_a_video_is_what_was_asked(
    client: Client, model: str, settings: dict[str, Any], size: tuple[int, int], sound: bool
) -> None:
    facts = looked_at(fetched(client.finished(model=model, **settings)).content)
    assert (facts["codec"], facts["pixels"], facts["size"]) == ("h264", "yuv420p", size)
    assert facts["seconds"] == pytest.approx(settings["duration"], abs=0.05)
    assert [name for name, _ in facts["audio"]] == (["aac"] if sound else [])
    assert all(seconds == pytest.approx(settings["duration"], abs=0.05) for _, seconds in facts["audio"])
    assert facts["moves"]


def test_the_size_of_each_resolution(client: Client) -> None:
    from kling_provider.sandbox.media.video import compute_size

    assert compute_size("4k", "16:9", None) == (3840, 2160)
    assert compute_size("720p", None, (1000, 700)) == (1028, 720)
    assert compute_size("720p", None, None) == (1280, 720)


def test_the_index_comes_first(client: Client) -> None:
    data = fetched(client.finished(duration=3)).content
    assert data.index(b"moov") < data.index(b"mdat")


@pytest.mark.parametrize("kind", ["inline", "sample"])
def test_a_first_frame_gives_the_shape(client: Client, kind: str) -> None:
    url = {
        "inline": base64.b64encode(png(400, 600)).decode(),
        "sample": f"{client.sandbox.url}/_sandbox/image.png?w=400&h=600&seed=7",
    }[kind]
    contents = [{"type": "prompt", "text": "it turns"}, {"type": "first_frame", "url": url}]
    body = {"contents": contents, "settings": {"duration": 3}}
    created = client.post("/image-to-video/kling-3.0", body).json()
    client.sandbox.advance(120)
    facts = looked_at(fetched(client.task(created["data"]["id"])).content)
    assert (facts["size"], facts["moves"]) == ((720, 1080), True)


def test_the_sample_image(client: Client) -> None:
    answer = requests.get(f"{client.sandbox.url}/_sandbox/image.png?w=320&h=300", timeout=TIMEOUT)
    assert answer.headers["Content-Type"] == "image/png"
    assert answer.content.startswith(b"\x89PNG")


def test_two_videos_of_one_prompt_differ_and_one_video_stays_the_same(client: Client) -> None:
    first, second = client.finished(duration=3), client.finished(duration=3)
    assert fetched(first).content == fetched(first).content != fetched(second).content


def test_two_fetches_at_once_render_once(client: Client) -> None:
    task = client.finished(duration=3)
    before = client.sandbox.stats()["files_rendered"]
    contents: list[bytes] = []
    threads = [threading.Thread(target=lambda: contents.append(fetched(task).content)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(contents)) == 1
    assert client.sandbox.stats()["files_rendered"] == before + 1


def test_reads_are_answered_while_a_video_renders(client: Client) -> None:
    task = client.finished(duration=3, resolution="1080p")
    rendering = threading.Thread(target=fetched, args=(task,))
    rendering.start()
    answered = 0
    while rendering.is_alive():
        client.task(task["id"])
        answered += 1
    assert answered > 5


def test_ranges_of_a_video_are_served(client: Client) -> None:
    task = client.finished(duration=3)
    whole = fetched(task)
    size = len(whole.content)
    assert (whole.headers["Content-Length"], whole.headers["Accept-Ranges"]) == (str(size), "bytes")
    for wanted, first, last in (
        ("10-19", 10, 19),
        (f"{size - 5}-", size - 5, size - 1),
        ("-7", size - 7, size - 1),
    ):
        part = fetched(task, Range=f"bytes={wanted}")
        assert part.status_code == 206
        assert part.content == whole.content[first : last + 1]
        assert part.headers["Content-Range"] == f"bytes {first}-{last}/{size}"
    assert fetched(task, Range=f"bytes={size}-").status_code == 416
    head = requests.head(task["outputs"][0]["url"], timeout=TIMEOUT)
    assert (head.headers["Content-Length"], head.content) == (str(size), b"")


def test_links_are_signed_and_end(client: Client) -> None:
    task = client.finished(duration=3)
    url = task["outputs"][0]["url"]
    other = client.finished(duration=3)["outputs"][0]["url"]
    for wrong in (
        url[:-3] + "000",
        url.split("?")[0],
        url.replace("Expires=", "Expires=1"),
        other.split("?")[0] + "?" + url.split("?")[1],
    ):
        assert requests.get(wrong, timeout=TIMEOUT).status_code == 403
    assert requests.get(url, timeout=TIMEOUT).status_code == 200
    client.sandbox.advance(30 * 86400)
    assert fetched(task).status_code == 403
    assert client.task(task["id"])["outputs"][0]["url"] == url  # and nothing brings it back


def test_a_watermark_only_where_it_was_asked(client: Client) -> None:
    task = client.finished(duration=3, options={"watermark_info": {"enabled": True}})
    output = task["outputs"][0]
    marked = requests.get(output["watermark_url"], timeout=TIMEOUT)
    assert marked.content != fetched(task).content
    assert "watermark_url" not in client.finished(duration=3)["outputs"][0]


def test_the_store_is_bounded_and_removed(tmp_path: Path) -> None:
    with Sandbox(time_scale=1, state_dir=tmp_path, media_cache_mb=0) as sandbox:
        client = Client(sandbox)
        for _ in range(2):
            assert fetched(client.finished(duration=3)).status_code == 200
        assert len(list(tmp_path.rglob("*.mp4"))) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["tasks.jsonl"]

# SPDX-License-Identifier: Apache-2.0
"""A host of result links that serves, cuts, redirects and expires exactly as a test says, and a tiny real MP4."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from kling_provider.api.result_facts import ResultFacts
from kling_provider.api.tasks import Billing, KlingTask, Output, TaskStatus
from kling_provider.storage import Manifest, Origin, SavedResult, destination_path, save_outputs

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

#: What stands in a folder after a video was saved.
SAVED = ["red-panda.kling.json", "red-panda.mp4", "red-panda.mp4.jpg"]

SECRET = "Signature=s3cr3t-of-a-link"


@cache
def make_video(seconds: float = 1, width: int = 96, height: int = 64) -> bytes:
    """H.264 in an MP4: noise, so that it has some bytes; the same ones in every process."""
    import av
    from PIL import Image

    target = io.BytesIO()
    with av.open(target, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number in range(int(seconds * 10)):
            noise = Random(number).randbytes(width * height * 3)
            image = Image.frombytes("RGB", (width, height), noise)
            container.mux(stream.encode(av.VideoFrame.from_image(image)))
        container.mux(stream.encode())
    return target.getvalue()


Answer = Callable[["Handler"], None]


@dataclass
class Host:
    """``answers`` by path, one after the other; the last one stays. ``seen``: path with query, headers."""

    url: str
    answers: dict[str, list[Answer]] = field(default_factory=dict)
    seen: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def serve(self, path: str, *answers: Answer) -> str:
        """The signed link to ``path``."""
        self.answers[path] = list(answers)
        return f"{self.url}{path}?{SECRET}"

    @property
    def paths(self) -> list[str]:
        return [path.partition("?")[0] for path, _ in self.seen]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    host: Host

    def do_GET(self) -> None:
        self.host.seen.append((self.path, dict(self.headers)))
        answers = self.host.answers.get(self.path.partition("?")[0], [status(404)])
        (answers.pop(0) if len(answers) > 1 else answers[0])(self)

    def log_message(self, *_: Any) -> None:
        pass

    def head(self, code: int, **headers: str) -> None:
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()


def whole(data: bytes, kind: str = "video/mp4") -> Answer:
    def answer(handler: Handler) -> None:
        handler.head(200, Content_Length=str(len(data)), Content_Type=kind)
        handler.wfile.write(data)

    return answer


def cut(data: bytes, after: int) -> Answer:
    """Says the whole length and hangs up in the middle."""

    def answer(handler: Handler) -> None:
        handler.head(200, Content_Length=str(len(data)))
        handler.wfile.write(data[:after])
        handler.close_connection = True

    return answer


def stating(length: str, data: bytes) -> Answer:
    """Says any length, sends the data and hangs up."""

    def answer(handler: Handler) -> None:
        handler.head(200, Content_Length=length, Content_Type="video/mp4")
        handler.wfile.write(data)
        handler.close_connection = True

    return answer


def silent_cut(data: bytes, after: int) -> Answer:
    """No length: what comes until the connection closes looks complete."""

    def answer(handler: Handler) -> None:
        handler.head(200, Connection="close")
        handler.wfile.write(data[:after])
        handler.close_connection = True

    return answer


def stalled(data: bytes, after: int, go_on: threading.Event) -> Answer:
    """Sends the first bytes, then waits."""

    def answer(handler: Handler) -> None:
        handler.head(200, Content_Length=str(len(data)))
        handler.wfile.write(data[:after])
        handler.wfile.flush()
        go_on.wait(60)
        try:
            handler.wfile.write(data[after:])
        except OSError:
            handler.close_connection = True

    return answer


def status(code: int, body: bytes = b"<html>no</html>") -> Answer:
    def answer(handler: Handler) -> None:
        handler.head(code, Content_Length=str(len(body)), Content_Type="text/html")
        handler.wfile.write(body)

    return answer


def redirect(to: str) -> Answer:
    def answer(handler: Handler) -> None:
        handler.head(302, Location=to, Content_Length="0")

    return answer


@contextmanager
def running_host() -> Iterator[Host]:
    handler = type("BoundHandler", (Handler,), {})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    host = Host(f"http://127.0.0.1:{server.server_address[1]}")
    handler.host = host  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield host
    finally:
        server.shutdown()
        server.server_close()


def finished(*urls: str | None, id: str = "912345678901234567", days_ago: float = 0) -> KlingTask:
    """A succeeded task with these result links."""
    ended = datetime.now(UTC).replace(microsecond=345000) - timedelta(days=days_ago)
    return KlingTask(
        kling_task_id=id,
        status=TaskStatus.SUCCEEDED,
        status_word="succeeded",
        external_task_id="af-0123456789",
        outputs=tuple(
            Output("video", id=f"out-{number}", url=url, duration=1.041) for number, url in enumerate(urls)
        ),
        billing=(Billing("unit", Decimal("3.0"), package_type="video"),),
        created_at=ended - timedelta(seconds=90),
        updated_at=ended,
    )


def origin(identity: str = "af-identity", **more: Any) -> Origin:
    known = {
        "type": "text_to_video",
        "name": "red-panda",
        "prompt": "A red panda brews tea",
        "model": "kling-3.0",
    }
    known |= {name: more.pop(name) for name in list(more) if name in ResultFacts.model_fields}
    facts: dict[str, Any] = {
        "facts": ResultFacts.model_validate(known),
        "request": {"prompt": "A red panda brews tea", "name": "red-panda"},
        "dag_id": "videos",
        "run_id": "manual__1",
        "task_id": "save",
        "map_index": 3,
    }
    return Origin(identity=identity, **(facts | more))


def place(folder: Path) -> ObjectStoragePath:
    return destination_path(str(folder))


def never() -> KlingTask:
    raise AssertionError("no fresh link is needed here")


def save(task: KlingTask, folder: Path, stem: str = "red-panda", **more: Any) -> SavedResult:
    return save_outputs(task, place(folder), stem, **({"origin": origin(), "refresh": never} | more))


def manifest(folder: Path, stem: str = "red-panda") -> Manifest | None:
    """What the manifest says, if there is one."""
    file = folder / f"{stem}.kling.json"
    return Manifest.model_validate_json(file.read_bytes()) if file.exists() else None


def names(folder: Path) -> list[str]:
    return sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file())

# SPDX-License-Identifier: Apache-2.0
"""How Airflow's API server answers its health route while callbacks flood it: 1,000 a second for 10 seconds.

Run ``python benchmarks/callback_flood.py`` (``--rate``, ``--seconds``, ``--write``). It starts an API server of its
own with a scratch database. Every message is new, as large as Kling's and forged, which costs most: its signature has to be
computed. A few right ones are among them. What is sent does not wait for what is answered. The health route is looked at from
a process of its own. Sender, looker and API server share the machine's cores.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import re
import statistics
import sys
import tempfile
import time
import urllib.request
import uuid
from collections import Counter, deque
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from standardwebhooks.webhooks import Webhook

from benchmarks import results
from tests.support.stack import AirflowStack

SECRET = "whsec_dGhlIHNlY3JldCBvZiB0aGlzIGJlbmNobWFyaw=="
FORGER = "whsec_YW5vdGhlciBzZWNyZXQgdGhhbiB0aGF0IG9mIHRoZSBiZW5jaA=="
PATH = "/kling-callbacks/kling_default"
#: One in so many messages is Kling's.
RIGHT_ONE_IN = 100


def make_messages(number: int) -> list[tuple[dict[str, str], bytes]]:
    """All messages, signed beforehand: the sender must not be what is measured."""
    messages = []
    for n in range(number):
        outputs = [{"type": "video", "id": str(n), "url": f"https://v.klingai.com/{'x' * 900}"}]
        body = json.dumps({"id": str(10**17 + n), "status": "succeeded", "message": "", "outputs": outputs})
        message_id, at = uuid.uuid4().hex, datetime.now(UTC)
        secret = SECRET if n % RIGHT_ONE_IN == 0 else FORGER
        headers = {
            "Content-Type": "application/json",
            "webhook-id": message_id,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": Webhook(secret).sign(message_id, at, body),
        }
        messages.append((headers, body.encode()))
    return messages


class Line(asyncio.Protocol):
    """One connection to the API server, kept open: sends a request, and reads no more of its answer than it must."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._read = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def send(self, request: bytes) -> None:
        """Send a request; the one before was answered."""
        assert self._transport
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._read += data
        head, end, body = self._read.partition(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head.lower())
        if end and length and len(body) >= int(length[1]):
            self._read = b""
            self._pool.note_answer(self, head[9:12].decode())

    def connection_lost(self, error: Exception | None) -> None:
        self._pool.note_loss(self)


class Pool:
    """Sends requests as fast as they come: on a connection that is free, on a new one, or in their turn.

    A client library takes as long for a request as the API server, and both share the machine's cores.
    """

    most = 1000

    def __init__(self, address: str, number: int) -> None:
        self.answers: Counter[str] = Counter()
        #: Set when ``number`` requests were answered or lost.
        self.done = asyncio.Event()
        parts = urlsplit(address)
        self._number = number
        self._host, self._port = str(parts.hostname), int(parts.port or 80)
        self._free: list[Line] = []
        self._busy: set[Line] = set()
        self._waiting: deque[bytes] = deque()
        self._opening: set[asyncio.Task[None]] = set()

    def send(self, request: bytes) -> None:
        """Send a request, and do not wait."""
        if self._free:
            self._start(self._free.pop(), request)
        elif len(self._busy) + len(self._opening) < self.most:
            opening = asyncio.create_task(self._open(request))
            self._opening.add(opening)
            opening.add_done_callback(self._opening.discard)
        else:
            self._waiting.append(request)

    def note_answer(self, line: Line, status: str) -> None:
        """Count an answer, and use the connection for the next request."""
        self._count(status)
        self._busy.discard(line)
        if self._waiting:
            self._start(line, self._waiting.popleft())
        else:
            self._free.append(line)

    def note_loss(self, line: Line) -> None:
        """Count a request that was not answered."""
        if line in self._busy:
            self._count("no answer")
            self._busy.discard(line)
        elif line in self._free:
            self._free.remove(line)

    def _count(self, what: str) -> None:
        self.answers[what] += 1
        if self.answers.total() == self._number:
            self.done.set()

    def _start(self, line: Line, request: bytes) -> None:
        self._busy.add(line)
        line.send(request)

    async def _open(self, request: bytes) -> None:
        try:
            _, line = await asyncio.get_running_loop().create_connection(
                lambda: Line(self), self._host, self._port
            )
        except OSError as error:
            self._count(type(error).__name__)
        else:
            self._start(line, request)


def make_requests(address: str, number: int) -> list[bytes]:
    """Make all requests beforehand, in the form in which they are sent."""
    where = urlsplit(address).netloc
    return [
        "\r\n".join(
            (
                f"POST {PATH} HTTP/1.1",
                f"Host: {where}",
                f"Content-Length: {len(body)}",
                *(f"{name}: {value}" for name, value in headers.items()),
                "\r\n",
            )
        ).encode()
        + body
        for headers, body in make_messages(number)
    ]


async def send_all(address: str, requests: list[bytes], rate: float) -> dict[str, Any]:
    """Send at ``rate`` a second, whatever is answered."""
    pool = Pool(address, len(requests))
    began, used, sent = time.monotonic(), time.process_time(), 0
    while sent < len(requests):
        while sent < min(len(requests), (time.monotonic() - began) * rate):
            pool.send(requests[sent])
            sent += 1
        await asyncio.sleep(0.002)
    sending = time.monotonic() - began
    await pool.done.wait()
    return {
        "sent": sent,
        "sent_per_second": round(sent / sending, 1),
        "answers": dict(pool.answers),
        "all_answered_after_seconds": round(time.monotonic() - began, 2),
        "sender_cpu_seconds": round(time.process_time() - used, 2),
    }


def look_at_health(address: str, seconds: float, pipe: Any) -> None:
    """Ask the health route ten times a second, from a process of its own: a busy sender is no part of the answer's time."""

    def look(_: int) -> float:
        began = time.monotonic()
        with urllib.request.urlopen(f"{address}/api/v2/monitor/health", timeout=60) as answer:
            answer.read()
        return time.monotonic() - began

    with ThreadPoolExecutor(64) as threads:
        quiet = statistics.median(map(look, range(10)))
        pipe.send("ready")
        pipe.recv()
        began, looks = time.monotonic(), []
        for number in range(int(seconds * 10)):
            time.sleep(max(0.0, began + number / 10 - time.monotonic()))
            looks.append(threads.submit(look, number))
        took = sorted(one.result() for one in looks)
    pipe.send(
        {
            "quiet_median": round(quiet, 4),
            "median": round(statistics.median(took), 4),
            "p95": round(took[int(len(took) * 0.95)], 4),
            "longest": round(took[-1], 4),
            "looks": len(took),
        }
    )


def flood(address: str, rate: float, seconds: float) -> dict[str, Any]:
    """Send, while another process looks at the health route."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    looking = context.Process(target=look_at_health, args=(address, seconds, there))
    looking.start()
    try:
        requests = make_requests(address, int(rate * seconds))
        here.recv()
        here.send("go")
        found = asyncio.run(send_all(address, requests, rate))
        return {**found, "health_seconds": here.recv()}
    finally:
        looking.join(10)
        looking.kill()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rate", type=float, default=1000)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--write", action="store_true", help="write results/callback_flood.json")
    arguments = parser.parse_args()
    connection = {
        "conn_type": "kling",
        "password": "api-key-of-the-benchmark",
        "extra": {"profile": "kling", "webhook_secret": SECRET},
    }
    with (
        tempfile.TemporaryDirectory() as dags,
        AirflowStack(
            dags_folder=Path(dags), connections={"kling_default": connection}, components=("api-server",)
        ) as stack,
    ):
        machine = results.describe_machine()
        rounds = [flood(stack.address, arguments.rate, arguments.seconds) for _ in range(arguments.rounds)]
    report = {
        "machine": machine,
        "health_p95_seconds": sorted(one["health_seconds"]["p95"] for one in rounds),
        "rounds": rounds,
    }
    print(json.dumps(report, indent=2))
    if arguments.write:
        results.write("callback_flood", report)


if __name__ == "__main__":
    main()

# SPDX-License-Identifier: Apache-2.0
"""How Airflow's API server answers its health route while callbacks flood it: 1,000 a second for 10 seconds.

Run ``python benchmarks/callback_flood.py`` (``--rate``, ``--seconds``, ``--out FILE.json``). It starts an API server of its
own with a scratch database. Every message is new, as large as Kling's and forged, which costs most: its signature has to be
computed. A few right ones are among them. What is sent does not wait for what is answered.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
import uuid
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import aiohttp
from standardwebhooks.webhooks import Webhook

from benchmarks import results
from tests.support.stack import AirflowStack

SECRET = "whsec_dGhlIHNlY3JldCBvZiB0aGlzIGJlbmNobWFyaw=="
FORGER = "whsec_YW5vdGhlciBzZWNyZXQgdGhhbiB0aGF0IG9mIHRoZSBiZW5jaA=="
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


async def flood(address: str, rate: float, seconds: float) -> dict[str, Any]:
    """Send at ``rate`` a second, and look at the health route ten times a second meanwhile."""
    messages = make_messages(int(rate * seconds))
    answers: Counter[str] = Counter()
    looks: list[float] = []
    took: list[float] = []
    url = f"{address}/kling-callbacks/kling_default"
    timeout = aiohttp.ClientTimeout(total=30)
    connector = aiohttp.TCPConnector(limit=1000)
    async with (
        aiohttp.ClientSession(connector=connector, timeout=timeout) as session,
        aiohttp.ClientSession(timeout=timeout) as patient,
    ):

        async def send(headers: dict[str, str], body: bytes) -> None:
            began = time.monotonic()
            try:
                async with session.post(url, data=body, headers=headers) as answer:
                    answers[str(answer.status)] += 1
            except (aiohttp.ClientError, TimeoutError) as error:
                answers[type(error).__name__] += 1
            took.append(time.monotonic() - began)

        async def look() -> None:
            began = time.monotonic()
            try:
                async with patient.get(f"{address}/api/v2/monitor/health") as answer:
                    await answer.read()
            except (aiohttp.ClientError, TimeoutError) as error:
                answers[f"health: {type(error).__name__}"] += 1
            looks.append(time.monotonic() - began)

        for _ in range(10):
            await look()
        quiet = statistics.median(looks)
        looks.clear()
        began, sent, looked = time.monotonic(), 0, 0
        work: set[asyncio.Task[None]] = set()
        while (now := time.monotonic() - began) < seconds or sent < len(messages):
            while sent < min(len(messages), now * rate):
                work.add(asyncio.create_task(send(*messages[sent])))
                sent += 1
            while looked < min(now, seconds) * 10:
                work.add(asyncio.create_task(look()))
                looked += 1
            await asyncio.sleep(0.002)
        sending = time.monotonic() - began
        await asyncio.gather(*work)
    looks.sort()
    return {
        "sent": sent,
        "sent_per_second": round(sent / sending, 1),
        "answers": dict(answers),
        "all_answered_after_seconds": round(time.monotonic() - began, 2),
        "health_seconds": {
            "quiet_median": round(quiet, 4),
            "median": round(statistics.median(looks), 4),
            "p95": round(looks[int(len(looks) * 0.95)], 4),
            "longest": round(looks[-1], 4),
            "looks": len(looks),
        },
    }


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
        rounds = [
            asyncio.run(flood(stack.address, arguments.rate, arguments.seconds))
            for _ in range(arguments.rounds)
        ]
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

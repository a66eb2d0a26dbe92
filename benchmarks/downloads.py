# SPDX-License-Identifier: Apache-2.0
"""A file of 200 MB saved by the download operator, beside curl from the same server, to disk and to S3.

``python -m benchmarks.run downloads`` writes ``results/downloads.json``. Ours runs in a process of its own, without an Airflow
around it: what Airflow adds is the same for every task. It also computes the sha256, checks that the video is whole, and writes
poster and manifest. Curl to S3 is curl to disk and then an upload by s3fs. The memory is the peak above that of a small file
before it.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import requests

from benchmarks import results
from tests.support.sandbox_process import SandboxProcess
from tests.support.stopping import ended_by_signals

_BUCKET = "films"
_CHUNK = 1024 * 1024


class _Handler(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def serve(folder: Path) -> Iterator[str]:
    """Yield the address of a server of files that runs in a process of its own."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.downloads", "--serve", str(folder)],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait()


@contextmanager
def serve_s3() -> Iterator[str]:
    """Yield the endpoint of a server that speaks S3, with a bucket."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.downloads", "--serve-s3"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # a line for each request
        text=True,
    )
    try:
        assert process.stdout
        endpoint = process.stdout.readline().strip()
        requests.put(f"{endpoint}/{_BUCKET}", timeout=30).raise_for_status()
        yield endpoint
    finally:
        process.terminate()
        process.wait()


def make_film(sample: bytes, file: Path, megabytes: float) -> None:
    """Write a real video that is padded with a free box, which players skip."""
    padding = int(megabytes * 1_000_000) - len(sample)
    with file.open("wb") as film:
        film.write(sample)
        if padding > 8:
            film.write(padding.to_bytes(4, "big") + b"free")
            left = padding - 8
            block = os.urandom(_CHUNK)
            while left:
                left -= film.write(block[:left])


def time_curl(url: str, folder: Path, endpoint: str | None) -> float:
    """Return the seconds that curl takes to disk, and to S3 by an upload of that file."""
    target = folder / "curl.mp4"
    began = time.monotonic()
    subprocess.run(["curl", "--silent", "--show-error", "--fail", "--output", target, url], check=True)
    if endpoint:
        import s3fs

        store = s3fs.S3FileSystem(key="bench", secret="bench", endpoint_url=endpoint)
        store.put_file(str(target), f"{_BUCKET}/curl.mp4")
    took = time.monotonic() - began
    target.unlink()
    return took


def time_ours(
    sandbox: SandboxProcess, made: dict[str, str], destination: str, **environment: str
) -> dict[str, Any]:
    """Return seconds and memory of the operator in a new process.

    :param made: ``small`` and ``large``: the ids of the tasks.
    """
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.downloads", "--save", json.dumps(made), destination],
        env={
            **os.environ,
            "AIRFLOW_CONN_KLING_DEFAULT": json.dumps(sandbox.connection),
            "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
            **environment,
        },
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def save(made: dict[str, str], destination: str) -> None:
    """Save the small video, then the large one, and print what the large one took: the child's part."""
    from kling_provider.operators.kling import KlingDownloadOperator
    from tests.unit.instance import Instance

    def run(name: str) -> tuple[float, int]:
        operator = KlingDownloadOperator(
            task_id="save",
            kling_task_id=made[name],
            destination=destination,
            filename=name,
            destination_conn_id="bench_s3" if destination.startswith("s3:") else None,
        )
        began = time.monotonic()
        operator.execute(Instance("save", run_id=name).context)
        return time.monotonic() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    _, before = run("small")
    seconds, after = run("large")
    print(json.dumps({"seconds": seconds, "memory_mb": (after - before) * 1024 / 1_000_000}))


def make_tasks(sandbox: SandboxProcess, address: str) -> dict[str, str]:
    """Make a finished task for each film; its result is the film on our server."""
    made, rules = {}, []
    for name in ("small", "large"):
        answer = requests.post(
            f"{sandbox.address}/text-to-video/kling-3.0",
            json={"prompt": f"The {name} film"},
            headers={"Authorization": f"Bearer {sandbox.key}"},
            timeout=30,
        ).json()
        made[name] = answer["data"]["id"]
        film = {"type": "video", "id": made[name], "url": f"{address}/{name}.mp4", "duration": "5.041"}
        rules.append({"kind": "outputs", "outputs": [film], "match": {"task_id": made[name]}})
    sandbox.call("POST", "/_sandbox/faults", json=rules)
    return made


def measure(megabytes: float, rounds: int, stores: Sequence[str]) -> list[dict[str, Any]]:
    """Return a row for each store: rounds with both throughputs, their ratio, and our memory."""
    rows = []
    with ExitStack() as running:
        folder = Path(running.enter_context(tempfile.TemporaryDirectory(prefix="kling-downloads-")))
        sandbox = running.enter_context(SandboxProcess(render_seconds=0, short_side=144))
        sample = requests.get(f"{sandbox.address}/_sandbox/video.mp4?seconds=5", timeout=60).content
        (folder / "films").mkdir()
        make_film(sample, folder / "films/small.mp4", 0)
        make_film(sample, folder / "films/large.mp4", megabytes)
        address = running.enter_context(serve(folder / "films"))
        made = make_tasks(sandbox, address)
        for store in stores:
            endpoint, environment = None, {}
            if store == "S3":
                endpoint = running.enter_context(serve_s3())
                environment["AIRFLOW_CONN_BENCH_S3"] = json.dumps(
                    {
                        "conn_type": "aws",
                        "login": "bench",
                        "password": "bench",
                        "extra": {"endpoint_url": endpoint, "region_name": "us-east-1"},
                    }
                )
            found = []
            for number in range(rounds):
                place = f"s3://{_BUCKET}/{number}" if endpoint else str(folder / f"round-{number}")
                curl = time_curl(f"{address}/large.mp4", folder, endpoint)
                ours = time_ours(sandbox, made, place, **environment)
                shutil.rmtree(folder / f"round-{number}", ignore_errors=True)
                one = {
                    "curl_mb_s": round(megabytes / curl, 1),
                    "ours_mb_s": round(megabytes / ours["seconds"], 1),
                    "of_curl": round(curl / ours["seconds"], 3),
                    "memory_mb": round(ours["memory_mb"], 1),
                }
                print(store, one, flush=True)
                found.append(one)
            rows.append({"store": store, "spread": results.summarize(found), "rounds": found})
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run downloads", description=__doc__)
    parser.add_argument("--megabytes", type=float, default=200, help="size of the file (default: 200)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds (default: 5)")
    parser.add_argument("--stores", default="disk,S3", help="disk, S3 or both (default: disk,S3)")
    parser.add_argument("--name", default="downloads", help="write results/NAME.json")
    parser.add_argument("--note", default="", help="a sentence for the page")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--serve-s3", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--save", nargs=2, help=argparse.SUPPRESS)
    wanted = parser.parse_args(arguments)
    if wanted.serve:
        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, directory=str(wanted.serve)))
        print(f"http://127.0.0.1:{server.server_address[1]}", flush=True)
        server.serve_forever()
    if wanted.serve_s3:
        from moto.server import ThreadedMotoServer

        moto = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
        moto.start()
        print("http://{}:{}".format(*moto.get_host_and_port()), flush=True)
        threading.Event().wait()
    if wanted.save:
        save(json.loads(wanted.save[0]), wanted.save[1])
        return 0
    stores = [
        one for one in wanted.stores.split(",") if one != "S3" or (find_spec("moto") and find_spec("s3fs"))
    ]
    document: dict[str, Any] = {
        "experiment": "downloads",
        "machine": results.describe_machine(),
        "note": wanted.note,
        "settings": {"megabytes": wanted.megabytes, "rounds": wanted.rounds},
    }
    began = time.monotonic()
    with ended_by_signals():
        document["rows"] = measure(wanted.megabytes, wanted.rounds, stores)
    document["seconds"] = round(time.monotonic() - began)
    print(results.write(wanted.name, document))
    return 0


if __name__ == "__main__":
    sys.exit(main())

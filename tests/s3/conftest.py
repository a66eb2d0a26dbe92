# SPDX-License-Identifier: Apache-2.0
"""A whole Airflow, a sandbox, and a server that speaks S3. ``make test-s3`` runs this folder (extra ``s3``)."""

from __future__ import annotations

import io
import logging
import threading
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.support.sandbox_process import SandboxProcess
from tests.support.stack import PRELOADED, AirflowStack

HERE = Path(__file__).parent
KEYS = {"aws_access_key_id": "of-the-films", "aws_secret_access_key": "s3-secret-of-the-films-51c0"}
BUCKET = "films"
PROMPTS = {
    "prompts/defaults.yaml": "duration: 3\n",
    "prompts/kite.md": "A kite climbs over a grey sea\n",
    "prompts/deep/lantern.md": "---\naspect_ratio: '9:16'\n---\nA lantern on a river\n",
    "prompts/moving.md": "---\ntype: image_to_video\nfirst_frame: pictures/red.png\n---\nIt begins to move\n",
}

if find_spec("moto") is None or find_spec("s3fs") is None:
    collect_ignore_glob = ["test_*.py"]  # make test-s3 installs them


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.timeout(300))


class BucketServer:
    """A server that speaks S3, and holds its answer to a claim back when it is told to.

    :param hold: the end of the key whose claim is made but not answered; empty: none.
    """

    def __init__(self) -> None:
        from moto.server import DomainDispatcherApplication, create_backend_app
        from werkzeug.serving import make_server

        self.hold = ""
        self.held = threading.Event()
        self.go_on = threading.Event()
        self._app = DomainDispatcherApplication(create_backend_app)
        self._server = make_server("127.0.0.1", 0, self._answer, threaded=True)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self.go_on.set()
        self._server.shutdown()
        self._thread.join()

    def hold_claim(self, key: str) -> None:
        """From now on: the claim of ``key`` is there, and whoever made it does not hear of it."""
        self.held.clear()
        self.go_on.clear()
        self.hold = key

    def let_go(self) -> None:
        self.hold = ""
        self.go_on.set()

    def _answer(self, environ: dict[str, Any], start_response: Any) -> Any:
        answer = self._app(environ, start_response)
        claims = environ["REQUEST_METHOD"] == "PUT" and "HTTP_IF_NONE_MATCH" in environ
        if claims and self.hold and environ["PATH_INFO"].endswith(self.hold):
            self.held.set()
            self.go_on.wait(120)
        return answer


@pytest.fixture(scope="session")
def bucket_server() -> Iterator[BucketServer]:
    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # a line per call
    server = BucketServer()
    server.start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def endpoint(bucket_server: BucketServer) -> str:
    return bucket_server.endpoint


@pytest.fixture(scope="session")
def s3(endpoint: str) -> Any:
    """boto3's client: what the tests look with, as somebody else than the provider."""
    import boto3

    client = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", **KEYS)
    client.create_bucket(Bucket=BUCKET)
    for key, text in PROMPTS.items():
        client.put_object(Bucket=BUCKET, Key=key, Body=text.encode())
    image = io.BytesIO()
    Image.new("RGB", (320, 320), "red").save(image, "PNG")
    client.put_object(Bucket=BUCKET, Key="prompts/pictures/red.png", Body=image.getvalue())
    return client


@pytest.fixture(scope="session")
def sandbox() -> Iterator[SandboxProcess]:
    with SandboxProcess(
        render_seconds=2, time_scale=1, units=100_000, concurrency=50, short_side=144
    ) as process:
        yield process


@pytest.fixture(scope="session")
def stack(sandbox: SandboxProcess, endpoint: str, s3: Any) -> Iterator[AirflowStack]:
    videos = {
        "conn_type": "aws",
        "login": KEYS["aws_access_key_id"],
        "password": KEYS["aws_secret_access_key"],
        "extra": {"endpoint_url": endpoint, "region_name": "us-east-1"},
    }
    with AirflowStack(
        dags_folder=HERE / "dags",
        connections={"kling_default": sandbox.connection, "aws_videos": videos},
        environment={"AIRFLOW__SCHEDULER__USE_JOB_SCHEDULE": "False", "AWS_EC2_METADATA_DISABLED": "true"},
        # Every task here speaks S3 as well.
        preload=(*PRELOADED, "airflow.providers.amazon.aws.hooks.s3", "boto3", "s3fs"),
    ) as running:
        yield running

# SPDX-License-Identifier: Apache-2.0
"""A link in a host's answer led workers to wherever its writer liked: databases, metadata services, other machines."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
import requests

from kling_provider.exceptions import KlingServerError
from kling_provider.operators.kling import KlingDownloadOperator, KlingSubmitOperator
from kling_provider.sandbox import Sandbox
from tests.regressions.outcomes import connected, outcome_of
from tests.regressions.playing import context
from tests.unit.instance import Instance


class Neighbour:
    """A machine of the worker's own network that answers with a video, or sends elsewhere; counts who comes."""

    def __init__(self, address: str = "127.0.0.1", *, tls: ssl.SSLContext | None = None) -> None:
        self.came = 0
        self.video = b""
        self.location: str | None = None
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.came += 1
                self.send_response(302 if outer.location else 200)
                if outer.location:
                    self.send_header("Location", outer.location)
                body = b"" if outer.location else outer.video
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Content-Type", "video/mp4")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer((address, 0), Handler)
        if tls is not None:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    with connected(monkeypatch) as running:
        yield running


@pytest.fixture
def neighbour() -> Iterator[Neighbour]:
    server = Neighbour()
    yield server
    server.close()


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Names that a name server of the internet gives these addresses: ``names["videos.example"] = "10.0.0.1"``."""
    known: dict[str, str] = {}
    really = socket.getaddrinfo

    def resolve(host: Any, *args: Any, **kwargs: Any) -> Any:
        return really(known.get(str(host), host), *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return known


def finished(sandbox: Sandbox, link: str | None) -> tuple[str, bytes]:
    """A finished task whose video the host says to lie at ``link``, and the video."""
    submit = KlingSubmitOperator(task_id="submit", request={"prompt": "A red panda", "duration": 3})
    kling_task_id = submit.execute(context(Instance("submit")))
    sandbox.advance(60)
    headers = {"Authorization": f"Bearer {sandbox.api_key}"}
    told = requests.get(
        f"{sandbox.url}/tasks", {"task_ids": kling_task_id}, headers=headers, timeout=30
    ).json()
    video = requests.get(told["data"][0]["outputs"][0]["url"], timeout=30).content
    if link is not None:
        outputs = [{"type": "video", "id": "o1", "url": link, "duration": "3.0"}]
        sandbox.set_faults([{"kind": "outputs", "outputs": outputs}])
    return str(kling_task_id), video


def save(kling_task_id: str, folder: Path) -> Any:
    operator = KlingDownloadOperator(task_id="save", kling_task_id=kling_task_id, destination=str(folder))
    return outcome_of(lambda: operator.execute(context(Instance("save"))))


def assert_refused(outcome: Any, neighbour: Neighbour, host: str) -> None:
    assert isinstance(outcome, KlingServerError), f"it was saved from there: {outcome!r}"
    assert neighbour.came == 0, "it was asked all the same"
    assert host in str(outcome)
    assert "allow_private_downloads" in str(outcome)


@pytest.mark.parametrize("address", ["127.0.0.1", "127.1.2.3"])
def test_a_name_that_means_a_private_address(
    sandbox: Sandbox, names: dict[str, str], tmp_path: Path, address: str
) -> None:
    neighbour = Neighbour(address)
    try:
        names["videos.example"] = address
        kling_task_id, neighbour.video = finished(sandbox, f"http://videos.example:{neighbour.port}/v.mp4")
        assert_refused(save(kling_task_id, tmp_path), neighbour, "videos.example")
    finally:
        neighbour.close()


def test_an_address_that_the_link_names_itself(sandbox: Sandbox, tmp_path: Path) -> None:
    neighbour = Neighbour("127.0.0.2")
    try:
        kling_task_id, neighbour.video = finished(sandbox, f"http://127.0.0.2:{neighbour.port}/v.mp4")
        assert_refused(save(kling_task_id, tmp_path), neighbour, "127.0.0.2")
    finally:
        neighbour.close()


def test_a_redirect_to_a_private_address(
    sandbox: Sandbox, neighbour: Neighbour, names: dict[str, str], tmp_path: Path
) -> None:
    """The first host is the connection's own, which may be private; where it sends is not."""
    names["metadata.example"] = "127.0.0.1"
    sender = Neighbour()
    try:
        sender.location = f"http://metadata.example:{neighbour.port}/latest"
        kling_task_id, neighbour.video = finished(sandbox, f"http://127.0.0.1:{sender.port}/v.mp4")
        assert_refused(save(kling_task_id, tmp_path), neighbour, "metadata.example")
    finally:
        sender.close()


def test_the_connections_own_host_may_be_private(sandbox: Sandbox, tmp_path: Path) -> None:
    kling_task_id, video = finished(sandbox, None)
    result = save(kling_task_id, tmp_path)
    assert isinstance(result, dict), result
    assert Path(result["outputs"][0]["file"].removeprefix("file://")).read_bytes() == video


def certificate(folder: Path) -> Path:
    """Key and certificate of 127.0.0.1, signed by itself."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "certificate.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


def test_a_redirect_that_gives_up_encryption(
    sandbox: Sandbox, neighbour: Neighbour, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pem = certificate(tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(pem)
    sender = Neighbour(tls=tls)
    try:
        sender.location = f"http://127.0.0.1:{neighbour.port}/v.mp4"
        kling_task_id, neighbour.video = finished(sandbox, f"https://127.0.0.1:{sender.port}/v.mp4")
        connection = {
            "conn_type": "kling",
            "host": sandbox.url,
            "password": sandbox.api_key,
            "extra": {"profile": "kling", "verify": str(pem)},
        }
        monkeypatch.setenv("AIRFLOW_CONN_KLING_DEFAULT", json.dumps(connection))
        outcome = save(kling_task_id, tmp_path)
        assert isinstance(outcome, KlingServerError), f"it was saved from there: {outcome!r}"
        assert sender.came > 0
        assert neighbour.came == 0
    finally:
        sender.close()

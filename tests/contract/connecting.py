# SPDX-License-Identifier: Apache-2.0
"""Connections to stand-ins on loopback, for tests of the hook."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kling_provider.exceptions import KlingError
from kling_provider.hooks.kling import KlingHook
from kling_provider.sandbox import Sandbox

RED_PANDA = {"prompt": "A red panda brews tea"}


def connect(monkeypatch: pytest.MonkeyPatch, host: str, password: str, **fields: Any) -> KlingHook:
    """A hook whose connection has these fields (``extra`` as a mapping)."""
    connection = {"conn_type": "kling", "host": host, "password": password, **fields}
    monkeypatch.setenv("AIRFLOW_CONN_KLING_TEST", json.dumps(connection))
    return KlingHook("kling_test")


def connect_to(monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox, **fields: Any) -> KlingHook:
    """The sandbox as Kling itself (or as the gateway that it plays), with its own key unless ``fields`` say."""
    extra = {
        **({} if sandbox.options.profile == "gateway" else {"profile": "kling"}),
        **fields.pop("extra", {}),
    }
    given = {"host": sandbox.base_url, "password": sandbox.api_key, **fields}
    return connect(monkeypatch, given.pop("host"), given.pop("password"), extra=extra, **given)


def refused_create(hook: KlingHook) -> KlingError:
    """What a create raises; its text is one line."""
    with pytest.raises(KlingError) as caught:
        hook.submit(RED_PANDA, external_task_id="af-1")
    assert "\n" not in str(caught.value)
    return caught.value


def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Reads are tried again without waiting; the list fills with the pauses that there would be."""
    taken: list[float] = []
    monkeypatch.setattr("tenacity.nap.time", SimpleNamespace(sleep=taken.append))
    return taken


@contextmanager
def server(
    answer: Callable[[BaseHTTPRequestHandler], None], context: ssl.SSLContext | None = None
) -> Iterator[int]:
    """An HTTP server of this behaviour -> its port. The request's body is read and is its ``json``."""

    class Handler(BaseHTTPRequestHandler):
        json: Any = None

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.json = json.loads(body) if body else None
            answer(self)

        do_POST = do_GET

        def log_message(self, *args: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            """Clients that break off are what these tests are about."""

    running = Server(("127.0.0.1", 0), Handler)
    if context is not None:
        running.socket = context.wrap_socket(running.socket, server_side=True)
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield running.server_port
    finally:
        running.shutdown()
        running.server_close()
        thread.join()


def say(handler: BaseHTTPRequestHandler, status: int, body: Any, **headers: str) -> None:
    """Answer with JSON, or with bytes as they are."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    handler.send_response(status)
    for name, value in {"Content-Length": str(len(content)), **headers}.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(content)


def closed_port() -> int:
    """A port where nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def self_signed(folder: Path) -> tuple[Path, ssl.SSLContext]:
    """A certificate for 127.0.0.1 that nobody signed, and a server's context with it."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "stand-in")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    both = folder / "both.pem"
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)
    both.write_bytes(secret + certificate.public_bytes(pem))
    alone = folder / "certificate.pem"
    alone.write_bytes(certificate.public_bytes(pem))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(both)
    return alone, context

# SPDX-License-Identifier: Apache-2.0
"""The gallery's web app over a metadata database that tests fill, as its users meet it: by HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from kling_provider.compat import has_gallery
from tests.unit.gallery.seeds import Seeds

RUN = "manual__2026-07-01T06:00:00+00:00"
VIDEO = bytes(range(256)) * 40

needs_gallery = pytest.mark.skipif(not has_gallery(), reason="there is no gallery before Airflow 3.3")


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The folder that the gallery may show, and users who may see ``ann_clips``, or everything."""
    folder = tmp_path / "shown"
    folder.mkdir()
    monkeypatch.setenv("AIRFLOW__CORE__AUTH_MANAGER", "tests.unit.gallery.server.SomeDagsAuthManager")
    monkeypatch.setenv("AIRFLOW__KLING__GALLERY_ROOTS", str(folder))
    return folder


@pytest.fixture
def world(metadata_db: Path, shown: Path) -> Iterator[Seeds]:
    """Two Dags of two people, each with a run; everything is taken out again after the test."""
    from airflow.utils.session import create_session

    with create_session(scoped=False) as session:
        seeds = Seeds(session, shown)
        for dag_id in ("ann_clips", "bob_clips"):
            seeds.dag(dag_id)
            seeds.run(dag_id, RUN)
        session.commit()
        yield seeds
        seeds.remove_all()


@pytest.fixture
def gallery(world: Seeds) -> Iterator[Callable[[str], TestClient]]:
    """``gallery("ann")`` is a signed-in client. A fault of the app is an answer with 500, as for its users."""
    from airflow.api_fastapi.app import purge_cached_app

    purge_cached_app()
    from tests.unit.gallery.server import server, signed_in

    app = server()

    def client(user: str) -> TestClient:
        signed = signed_in(app, user)
        return TestClient(
            app, headers=dict(signed.headers), follow_redirects=False, raise_server_exceptions=False
        )

    yield client
    purge_cached_app()


def answer_of(
    client: TestClient, path: str, at_start: Callable[[], None], headers: Mapping[str, str] | None = None
) -> tuple[int, bytes]:
    """Status and body of a GET in which something happens between the check of a file and its first byte.

    :param at_start: is called when the head of the answer is sent.
    """
    status, body = 0, b""

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(0)
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        nonlocal status, body
        if message["type"] == "http.response.start":
            status = message["status"]
            at_start()
        else:
            body += message.get("body", b"")

    given = {**client.headers, **(headers or {})}
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "server": ("testserver", 80),
        "client": ("testclient", 1),
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(name.lower().encode(), value.encode()) for name, value in given.items()],
    }
    asyncio.run(client.app(scope, receive, send))  # type: ignore[arg-type]
    return status, body

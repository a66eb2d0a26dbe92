# SPDX-License-Identifier: Apache-2.0
"""The gallery's app as Airflow's API server mounts it, with users of whom each may read some DAGs only."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import unquote

from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
from fastapi import FastAPI
from fastapi.testclient import TestClient

from kling_provider.plugins.plugin import KlingPlugin

#: Who may read what. Nobody else may read anything.
READERS = {"ann": {"ann_clips"}, "root": {"ann_clips", "bob_clips"}}


class SomeDagsAuthManager(SimpleAuthManager):
    """Airflow's own simple one, except that reading a DAG needs the right to that DAG."""

    def is_authorized_dag(
        self, *, method: Any, user: Any, access_entity: Any = None, details: Any = None
    ) -> bool:
        return details is not None and details.id in READERS.get(user.get_name(), set())


def server() -> FastAPI:
    """An app with the auth manager of the configuration, and our plugin."""
    from airflow.api_fastapi.app import init_auth_manager

    app = FastAPI()
    for mounted in KlingPlugin.fastapi_apps:
        app.mount(mounted["url_prefix"], mounted["app"])
    init_auth_manager(app)
    return app


def signed_in(app: FastAPI, user: str | None) -> TestClient:
    """A client with that user's token, or without one."""
    from airflow.api_fastapi.app import get_auth_manager

    headers = {}
    if user is not None:
        token = get_auth_manager().generate_jwt(SimpleAuthManagerUser(username=user, role="viewer"))
        headers["Authorization"] = f"Bearer {token}"
    return TestClient(app, headers=headers, follow_redirects=False)


def status_of(client: TestClient, path: str) -> int:
    """The status of a GET whose path is sent as it stands: the client itself would tidy the dots away."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "server": ("testserver", 80),
        "client": ("testclient", 1),
        "path": unquote(path),
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(name.lower().encode(), value.encode()) for name, value in client.headers.items()],
    }
    asyncio.run(client.app(scope, receive, send))  # type: ignore[arg-type]
    return next(message["status"] for message in sent if message["type"] == "http.response.start")

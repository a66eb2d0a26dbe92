# SPDX-License-Identifier: Apache-2.0
"""Task instances that wait in a metadata database, and the route of callbacks as Airflow's API server mounts it."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from standardwebhooks.webhooks import Webhook

from kling_provider.compat import has_callbacks
from kling_provider.plugins.callbacks.gate import FloodGate
from kling_provider.plugins.plugin import KlingPlugin, LazyApp
from kling_provider.triggers.kling import KlingTaskTrigger
from tests.unit.gallery.seeds import Seeds

SECRET = "whsec_dGhlIHNlY3JldCBvZiBhIGNvbm5lY3Rpb24="
OLD_SECRET = "whsec_dGhlIHNlY3JldCBvZiBsYXN0IHdlZWsgOi0p"
ANOTHER = "whsec_YW5vdGhlciBzZWNyZXQgYWx0b2dldGhlciEhIQ=="
RUN = "manual__2026-07-01T06:00:00+00:00"


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Before Airflow 3.3 there is no route."""
    return None if has_callbacks() or "route" not in collection_path.name else True


@dataclass
class Waiting:
    """A metadata database in which task instances wait, and what became of them."""

    seeds: Seeds

    def defer(self, map_index: int, kling_task_id: str, *, age: float = 60.0, **arguments: Any) -> int:
        """Let a task instance wait by a trigger that was made ``age`` seconds ago; return the trigger's id."""
        from airflow.models.trigger import Trigger

        trigger = KlingTaskTrigger(kling_task_id=kling_task_id, deadline=time.time() + 900, **arguments)
        row = Trigger.from_object(trigger)
        row.created_date = datetime.now(UTC) - timedelta(seconds=age)
        session = self.seeds.session
        session.add(row)
        session.flush()
        self.seeds.instance(
            "clips",
            RUN,
            "video",
            map_index,
            "deferred",
            id=uuid.uuid4(),
            trigger_id=row.id,
            next_method="execute_complete",
            next_kwargs={"adopted": False},
        )
        session.commit()
        return int(row.id)

    def states(self) -> dict[int, str]:
        """The state of each task instance by map index."""
        return {index: row["state"] for index, row in self._rows().items()}

    def event(self, map_index: int) -> dict[str, Any]:
        """The event that a task instance resumes with."""
        from airflow.sdk.serde import deserialize

        kwargs = deserialize(self._rows()[map_index]["next_kwargs"])
        assert isinstance(kwargs, dict)
        assert kwargs["adopted"] is False, "what the operator gave to its defer is kept"
        event: dict[str, Any] = kwargs["event"]
        return event

    def _rows(self) -> dict[int, dict[str, Any]]:
        from airflow.models.taskinstance import TaskInstance
        from sqlalchemy import select

        self.seeds.session.rollback()
        columns = (TaskInstance.map_index, TaskInstance.state, TaskInstance.next_kwargs)
        return {row.map_index: dict(row._mapping) for row in self.seeds.session.execute(select(*columns))}


@pytest.fixture
def waiting(metadata_db: Path, tmp_path: Path) -> Iterator[Waiting]:
    from airflow.models.trigger import Trigger
    from airflow.models.variable import Variable
    from airflow.utils.session import create_session
    from sqlalchemy import delete

    with create_session(scoped=False) as session:
        seeds = Seeds(session, tmp_path)
        seeds.dag("clips")
        seeds.run("clips", RUN, "running")
        session.commit()
        yield Waiting(seeds)
        seeds.remove_all()
        session.execute(delete(Trigger))
        session.execute(delete(Variable))
        session.commit()


class Sender:
    """Sends messages to the route, as Kling does or nearly."""

    def __init__(self, client: TestClient) -> None:
        self.client = client

    def send(
        self,
        body: str | bytes,
        *,
        conn_id: str = "kling_default",
        secret: str | None = SECRET,
        message_id: str | None = None,
        age: float = 0.0,
        signatures: str = "{}",
        signed: str | None = None,
    ) -> int:
        """Send one message and return the status of the answer.

        :param signatures: around the signature, what else stands in its header.
        :param signed: what the signature is of, where that is another body.
        """
        headers = {"Content-Type": "application/json"}
        if secret is not None:
            at = datetime.fromtimestamp(int(time.time() - age), UTC)
            message_id = message_id or uuid.uuid4().hex
            text = signed if signed is not None else body if isinstance(body, str) else body.decode("latin-1")
            signature = Webhook(secret).sign(message_id, at, text)
            headers |= {
                "webhook-id": message_id,
                "webhook-timestamp": str(int(at.timestamp())),
                "webhook-signature": signatures.format(signature),
            }
        content = body.encode() if isinstance(body, str) else body
        answer = self.client.post(f"/kling-callbacks/{conn_id}", content=content, headers=headers)
        if answer.status_code == 404:
            assert answer.json() == {"detail": "Not Found"}
        return answer.status_code


def connection_json(**extra: Any) -> str:
    return json.dumps({"conn_type": "kling", "password": "api-key-of-these-tests", "extra": extra})


@pytest.fixture
def kling(waiting: Waiting, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sender]:
    """A sender to an app with our plugin, whose connection ``kling_default`` has two secrets."""
    monkeypatch.setenv(
        "AIRFLOW_CONN_KLING_DEFAULT", connection_json(webhook_secret=f"{OLD_SECRET}, {SECRET}")
    )
    monkeypatch.setenv("AIRFLOW_CONN_KLING_OTHER", connection_json(webhook_secret=SECRET))
    monkeypatch.setenv("AIRFLOW_CONN_KLING_OFF", connection_json())
    monkeypatch.setenv(
        "AIRFLOW_CONN_SOMETHING_ELSE", json.dumps({"conn_type": "http", "extra": {"webhook_secret": SECRET}})
    )
    app = FastAPI()
    callbacks = next(one for one in KlingPlugin.fastapi_apps if one["url_prefix"] == "/kling-callbacks")
    assert isinstance(callbacks["app"], FloodGate)
    # One of its own: the plugin's is as old as this process, and has let in what other tests sent.
    app.mount(callbacks["url_prefix"], FloodGate(LazyApp("kling_provider.plugins.callbacks.app")))
    with TestClient(app) as client:
        yield Sender(client)

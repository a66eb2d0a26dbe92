# SPDX-License-Identifier: Apache-2.0
"""Two API servers and what the triggerer does fire at the same 200 mapped tasks; the database writes down who resumed which."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests
import sqlalchemy
from sqlalchemy.orm import Session

from kling_provider.compat import has_callbacks
from tests.support.stack import AirflowStack, wait_for
from tests.support.stack.postgres import postgres, why_not
from tests.support.stack.processes import free_port

pytestmark = [
    pytest.mark.xdist_group("callbacks"),
    pytest.mark.timeout(900),
    pytest.mark.skipif(not has_callbacks(), reason="callbacks wake tasks from Airflow 3.3 on"),
    pytest.mark.skipif(bool(why_not()), reason=why_not() or "PostgreSQL"),
]
SECRET = "whsec_dGhpcyBpcyB0aGUgc2VjcmV0IG9mIHRoZXNlIHRlc3Rz"
NUMBER = 200
RUN = "manual__2026-07-01T06:00:00+00:00"
#: Every write that makes a task instance ready to go on, with who wrote it and what was there.
_AUDIT = (
    "CREATE TABLE resumed (map_index int, before text, writer int)",
    "CREATE FUNCTION note_resumed() RETURNS trigger AS $$ BEGIN"
    " INSERT INTO resumed VALUES (NEW.map_index, OLD.state, pg_backend_pid()); RETURN NEW; END $$ LANGUAGE plpgsql",
    "CREATE TRIGGER note_resumed BEFORE UPDATE ON task_instance FOR EACH ROW"
    " WHEN (NEW.state = 'scheduled') EXECUTE FUNCTION note_resumed()",
)


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[AirflowStack, list[str]]]:
    """Two API servers on one database, without a scheduler: what is resumed stays as it is."""
    connection = {
        "conn_type": "kling",
        "password": "api-key-of-these-tests",
        "extra": {"profile": "kling", "webhook_secret": SECRET},
    }
    with ExitStack() as running:
        stack = running.enter_context(
            AirflowStack(
                dags_folder=tmp_path_factory.mktemp("dags"),
                database_url=running.enter_context(postgres()),
                connections={"kling_default": connection},
                components=("api-server",),
            )
        )
        port = free_port()
        stack.start("api-server", name="second-api-server", port=port)
        urls = [stack.address, f"http://127.0.0.1:{port}"]

        def answers() -> bool:
            try:
                return requests.get(f"{urls[1]}/api/v2/monitor/health", proxies={"http": ""}, timeout=5).ok
            except requests.RequestException:
                return False

        wait_for(answers, timeout=240, what="the second API server")
        yield stack, urls


def test_each_of_200_tasks_is_resumed_once(servers: tuple[AirflowStack, list[str]], tmp_path: Path) -> None:
    from airflow.models.trigger import Trigger
    from airflow.triggers.base import TriggerEvent
    from standardwebhooks.webhooks import Webhook

    from tests.unit.gallery.seeds import Seeds

    stack, urls = servers
    engine = sqlalchemy.create_engine(stack.database.url, pool_size=5)
    triggers: list[int] = []
    with Session(engine) as session:
        seeds = Seeds(session, tmp_path)
        seeds.dag("clips")
        seeds.run("clips", RUN, "running")
        for index in range(NUMBER):
            row = Trigger("kling_provider.triggers.kling.KlingTaskTrigger", {})
            # As rows of an older Airflow are: this process has not the key of that one.
            row.encrypted_kwargs = json.dumps(
                {"kling_conn_id": "kling_default", "kling_task_id": f"t{index}"}
            )
            row.created_date = datetime.now(UTC) - timedelta(minutes=1)
            session.add(row)
            session.flush()
            triggers.append(row.id)
            waits = {
                "id": uuid.uuid4(),
                "trigger_id": row.id,
                "next_method": "execute_complete",
                "next_kwargs": {},
            }
            seeds.instance("clips", RUN, "video", index, "deferred", **waits)
        session.commit()
        for statement in _AUDIT:
            session.execute(sqlalchemy.text(statement))
        session.commit()
    start = threading.Barrier(3)

    def call(url: str) -> Counter[int]:
        client = requests.Session()
        client.trust_env = False

        def send(index: int) -> int:
            body = json.dumps({"id": f"t{index}", "status": "succeeded"})
            message_id, at = uuid.uuid4().hex, datetime.fromtimestamp(int(time.time()), UTC)
            headers = {
                "webhook-id": message_id,
                "webhook-timestamp": str(int(at.timestamp())),
                "webhook-signature": Webhook(SECRET).sign(message_id, at, body),
            }
            return client.post(
                f"{url}/kling-callbacks/kling_default", data=body, headers=headers, timeout=60
            ).status_code

        start.wait()
        with ThreadPoolExecutor(4) as threads:
            return Counter(threads.map(send, range(NUMBER)))

    def fire() -> int:
        """What the triggerer does with its events, in its own order; return the process that writes in the database."""
        with engine.connect() as connection, Session(connection) as session:
            writer = int(session.scalar(sqlalchemy.text("SELECT pg_backend_pid()")) or 0)
            session.commit()
            start.wait()
            for index, trigger_id in enumerate(triggers):
                event = TriggerEvent({"kling_task_id": f"t{index}", "status": "succeeded"})
                Trigger.submit_event(trigger_id, event, session=session)
                session.commit()
        return writer

    with ThreadPoolExecutor(3) as threads:
        calls = [threads.submit(call, url) for url in urls]
        triggerer = threads.submit(fire).result()
        assert [one.result() for one in calls] == [Counter({200: NUMBER})] * 2
    rows = stack.database.rows("SELECT map_index, before, writer FROM resumed")
    by_servers = Counter(row["map_index"] for row in rows if row["writer"] != triggerer)
    by_triggerer = Counter(row["map_index"] for row in rows if row["writer"] == triggerer)
    over = sum(row["before"] != "deferred" for row in rows)
    print(
        f"{NUMBER} tasks: {len(by_servers)} resumed by callbacks, {len(by_triggerer)} by the triggerer, "
        f"{over} of its writes met a task that was resumed a moment before"
    )
    assert set(by_servers) | set(by_triggerer) == set(range(NUMBER))
    assert set(by_servers.values()) <= {1}, "the two servers have resumed a task twice"
    assert all(row["writer"] == triggerer for row in rows if row["before"] != "deferred")
    assert by_servers, "the callbacks came too late to compete"
    assert by_triggerer, "the triggerer came too late to compete"

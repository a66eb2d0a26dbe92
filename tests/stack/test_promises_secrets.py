# SPDX-License-Identifier: Apache-2.0
"""No key, secret, token or signed link in what Airflow keeps of all these runs."""

from __future__ import annotations

import json

import pytest

from tests.stack.promises.stage import Stage

# The first test waits for its scene, and all scenes play side by side.
pytestmark = pytest.mark.timeout(900)

#: A signed link of the sandbox, and how every JWT begins.
SIGNS = ("Signature=", "eyJ")


@pytest.mark.airflow_version
def test_nothing_secret_in_logs_triggers_and_messages(stage: Stage) -> None:
    world = stage.all_over()
    logs = [path for path in world.stack.home.rglob("*.log*") if path.is_file()]
    told = world.stack.database.rows("SELECT value FROM xcom WHERE key = 'kling'")
    places = {
        **{str(path.relative_to(world.stack.home)): path.read_text(errors="replace") for path in logs},
        **{f"trigger {row['id']}": json.dumps(row, default=str) for row in world.sampler.triggers()},
        **{f"XCom kling {number}": str(row["value"]) for number, row in enumerate(told)},
    }
    assert len(world.sampler.triggers()) > 1  # a look at nothing proves nothing
    assert sum("Sending video" in text for text in places.values()) > 1
    seen = [
        (sign, place) for place, text in places.items() for sign in (*world.secrets, *SIGNS) if sign in text
    ]
    assert seen == []

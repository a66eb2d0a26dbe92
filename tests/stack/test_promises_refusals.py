# SPDX-License-Identifier: Apache-2.0
"""What only a person can mend fails at the first try, in one line that says what to change."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from tests.stack.promises.world import World

# The first test waits for its scene, and all scenes play side by side.
pytestmark = pytest.mark.timeout(900)


@dataclass
class Refused:
    state: str | None
    tries: int
    errors: list[str]
    told: dict[str, Any]
    calls: list[str]
    tasks: int


def refused(world: World, *, conn: str, prompt: str, dag_id: str, task_id: str) -> Refused:
    run = world.run(dag_id, conn=conn, prompt=prompt)
    run.end()
    [instance] = run.instances(task_id)
    errors = [
        exception["exc_value"]
        for entry in run.entries(task_id, instance["try_number"])
        if entry.get("level") == "error"
        for exception in entry.get("error_detail") or []
    ]
    return Refused(
        instance["state"],
        instance["try_number"],
        errors,
        run.xcom(task_id, key="kling"),
        [one["answer"] for one in world.kling.creates(prompt)],
        len(world.kling.tasks(prompt)),
    )


def _scene(conn: str, prompt: str, calls: int, tries: int, *words: str) -> Any:
    # By turns in both operators.
    dag_id, task_id = ("three_tasks", "submit") if len(prompt) % 2 else ("one_task", "video")
    play = partial(refused, conn=conn, prompt=prompt, dag_id=dag_id, task_id=task_id)
    return pytest.param(play, calls, tries, words, id=prompt)


@pytest.mark.parametrize(
    ("facts", "calls", "tries", "words"),
    [
        _scene("wrong_key", "wrong key", 1, 1, "(code 1002)", "password must be the whole key"),
        _scene("wrong_region", "wrong region", 1, 1, "a key of this region (extra region: global or china)"),
        _scene("kling_default", "no credit", 1, 1, "(code 1102)", "top up or buy a pack", "units left"),
        _scene(
            "access_key_on_standard",
            "access key on the standard API",
            0,
            1,
            "login must be empty on the standard API, which accepts API keys only",
            "Make an API key in Kling's console and leave login empty, or set the extra api to legacy",
        ),
        _scene(
            "unreachable",
            "unreachable host",
            0,
            3,
            "the host refused the connection",
            "Check the connection's host and port",
        ),
    ],
    indirect=["facts"],
)
def test_one_clear_line(facts: Refused, calls: int, tries: int, words: tuple[str, ...]) -> None:
    assert facts.state == "failed"
    assert facts.tries == tries
    [line] = facts.errors
    print(line)
    assert "\n" not in line
    for part in words:
        assert part in line
    assert facts.told["reason"] == line
    assert len(facts.calls) == calls
    assert facts.tasks == 0

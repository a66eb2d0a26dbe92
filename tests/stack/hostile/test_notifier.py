# SPDX-License-Identifier: Apache-2.0
"""What a run's end is called, by the callback of its Dag: Airflow runs it in the Dag processor, one object for all runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.stack.hostile.conftest import Hostile

pytestmark = pytest.mark.airflow_version


@pytest.fixture(scope="session")
def told(hostile: Hostile) -> dict[str, Any]:
    """The messages of five runs of one Dag, by the run that they say that they are of."""
    runs = [hostile.trigger("told", {"fails": number != 3}) for number in range(5)]
    messages = {one["run"]: one for one in hostile.told("manual__", len(runs)) if one.get("run") in runs}
    return {"in their order": [messages.get(run) for run in runs], "runs": runs}


def test_every_run_has_a_message_of_its_own(told: dict[str, Any], hostile: Hostile) -> None:
    assert all(told["in their order"]), told
    received = [one for one in hostile.webhook.received if one.get("run") in told["runs"]]
    assert len(received) == len(told["runs"])


def test_a_failed_run_is_told_as_failed(told: dict[str, Any]) -> None:
    heads = [one["text"].splitlines()[0] for one in told["in their order"]]
    failed = "Dag run failed: told"
    assert heads == [failed, failed, failed, "Dag run done: told", failed]


def test_addresses_are_whole(told: dict[str, Any], hostile: Hostile) -> None:
    lines = [line for one in told["in their order"] for line in one["text"].splitlines()]
    addresses = [line.partition(": ")[2] for line in lines if line.startswith(("Gallery", "Log"))]
    assert all(address.startswith(hostile.stack.address) for address in addresses), addresses


# -- what users met ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def of_a_user(hostile: Hostile, cases: Path) -> dict[str, list[str]]:
    """The texts that each Dag of the case sent."""
    runs = [hostile.trigger("fails") for _ in range(6)]
    hostile.trigger("late")
    hostile.trigger("done")
    found = {
        "fails": hostile.told("fails", 6),
        "late": hostile.told("late", 1, timeout=150),
        "done": hostile.told("DAG done", 1, timeout=150),
    }
    return {"runs": runs, **{dag_id: [one["text"] for one in said] for dag_id, said in found.items()}}


def test_six_failed_runs_are_six_messages_of_failures(of_a_user: dict[str, list[str]]) -> None:
    assert sorted(of_a_user["fails"]) == sorted(
        f"{run_id}: Dag run failed fails" for run_id in of_a_user["runs"]
    )


def test_a_run_whose_time_is_over_is_no_success(of_a_user: dict[str, list[str]]) -> None:
    [text] = of_a_user["late"]
    assert text.startswith("Dag run failed: late\nthe run timed out")
    assert "done" not in text


def test_a_run_that_ends_well_says_so(of_a_user: dict[str, list[str]]) -> None:
    assert of_a_user["done"] == ["DAG done is done"]

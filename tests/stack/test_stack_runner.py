# SPDX-License-Identifier: Apache-2.0
"""The runner that all other tests of this folder stand on."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.support.stack import AirflowStack, ApiError, StackError, TaskProcesses
from tests.support.stack.processes import MARKER, wait_for

# An Airflow of their own: these tests kill it piece by piece. It holds toy DAGs alone, so it needs no sandbox.
pytestmark = [pytest.mark.airflow_version, pytest.mark.xdist_group("runner")]
DAGS = Path(__file__).parent / "dags"


@pytest.fixture(scope="module")
def toys() -> Iterator[AirflowStack]:
    with AirflowStack(dags_folder=DAGS, parallelism=4) as running:
        running.api.wait_for_dag("toy")
        running.api.wait_for_dag("toy_long")
        yield running
        left = [process.cmdline() for process in marked(running)]
    assert left  # the marker is what the next line looks for
    assert not marked(running)
    assert not running.home.exists()


def marked(stack: AirflowStack) -> list[psutil.Process]:
    """Every process whose environment names this stack's home: a second way to see them, beside the family's marker."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("AIRFLOW_HOME") == str(stack.home):
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


def test_a_run_with_mapped_and_deferred_tasks(toys: AirflowStack) -> None:
    api = toys.api
    run_id = api.trigger("toy", {"key": "value"})
    api.wait_task("toy", run_id, "wait", ["deferred"])
    [trigger] = toys.database.triggers()
    assert trigger["classpath"].endswith("DateTimeTrigger") or trigger["classpath"].endswith(
        "TimeDeltaTrigger"
    )
    assert (trigger["dag_id"], trigger["task_id"]) == ("toy", "wait")
    assert toys.database.occupied_slots() == 0

    assert api.wait_run("toy", run_id) == "success"
    assert api.states("toy", run_id) == {
        "numbers": "success",
        "double[0]": "success",
        "double[1]": "success",
        "double[2]": "success",
        "wait": "success",
    }
    assert api.run("toy", run_id)["conf"] == {"key": "value"}
    assert api.xcom("toy", run_id, "double", map_index=1) == {"number": 4}
    assert api.xcom("toy", run_id, "wait") == "waited"
    assert api.xcom("toy", run_id, "wait", key="no such key") is None
    [event] = api.asset_events(source_run_id=run_id)
    assert (event["name"], event["source_task_id"]) == ("toy", "numbers")
    assert "doubling 3" in api.log("toy", run_id, "double", map_index=2)
    assert "Trigger fired event" in api.log("toy", run_id, "wait")  # the triggerer's part is in it

    assert api.clear("toy", run_id, [("double", 1)]) == 1
    assert api.wait_run("toy", run_id) == "success"
    tries = [one["try_number"] for one in api.task_instances("toy", run_id, "double")]
    assert sorted(tries) == [1, 1, 2]
    api.delete_run("toy", run_id)
    with pytest.raises(ApiError):
        api.run("toy", run_id)


def test_a_killed_task_is_retried_and_its_processes_are_found(toys: AirflowStack) -> None:
    api = toys.api
    run_id = api.trigger("toy_long")
    instance = api.wait_task("toy_long", run_id, "long", ["running"])
    found = wait_for(lambda: both(toys, instance["id"]), timeout=30, what="two processes")
    assert found
    assert found.task
    assert psutil.Process(found.task).ppid() == found.supervisor
    time.sleep(1)  # past the task's start, into its sleep
    os.kill(found.task, signal.SIGKILL)
    assert api.wait_run("toy_long", run_id, timeout=60) == "success"
    assert api.xcom("toy_long", run_id, "long") == 2
    assert toys.task_processes(instance["id"]) is None


def test_marks_pools_and_pauses(toys: AirflowStack) -> None:
    api = toys.api
    run_id = api.trigger("toy_long")
    api.wait_task("toy_long", run_id, "long", ["running"])
    api.set_state("toy_long", run_id, "long", "failed")
    assert api.wait_run("toy_long", run_id) == "failed"
    api.pause("toy_long")
    assert api.dag("toy_long")["is_paused"]  # type: ignore[index]
    api.pause("toy_long", False)
    for slots in (0, 5):
        api.pool("narrow", slots)
        assert api.call("GET", "/pools/narrow")["slots"] == slots
    api.pool("default_pool", 50)
    assert api.call("GET", "/pools/default_pool")["slots"] == 50
    assert api.dag("no_such_dag") is None


def test_a_locked_database_is_waited_for(toys: AirflowStack) -> None:
    # A scheduler that wants to write in that time gives up after 5 s and ends; this is about the API's calls.
    toys.stop("scheduler")
    holder = sqlite3.connect(toys.home / "airflow.db", isolation_level=None, check_same_thread=False)
    holder.execute("BEGIN IMMEDIATE")
    threading.Timer(6, lambda: holder.execute("ROLLBACK")).start()  # longer than Airflow's own 5 s
    toys.api.pool("locked", 3)
    assert toys.api.call("GET", "/pools/locked")["slots"] == 3
    holder.close()
    toys.start("scheduler")


def test_components_die_and_come_back_one_by_one(toys: AirflowStack) -> None:
    run_id = toys.api.trigger("toy")
    toys.api.wait_task("toy", run_id, "wait", ["deferred"])
    for kind in ("triggerer", "scheduler", "execution-api", "api-server"):
        toys.kill(kind, whole=True)
        with pytest.raises(StackError, match=kind):
            toys.wait_healthy()
        toys.start(kind)
        with pytest.raises(StackError, match="already"):
            toys.start(kind)
    assert toys.api.wait_run("toy", run_id) == "success"
    toys.stop("dag-processor")
    toys.start("dag-processor")


def test_a_wait_that_ends_in_vain_names_what_has_died(toys: AirflowStack) -> None:
    toys.kill("scheduler", whole=True)
    run_id = toys.api.trigger("toy")
    with pytest.raises(TimeoutError, match=r"scheduler ended with -9"):
        toys.api.wait_task("toy", run_id, "wait", ["deferred"], timeout=1)
    with pytest.raises(TimeoutError, match=r"scheduler ended with -9"):
        toys.api.wait_run("toy", run_id, timeout=1)
    toys.start("scheduler")


def test_nothing_is_left_when_the_starter_is_killed(tmp_path: Path) -> None:
    """SIGKILL cannot be caught: the guard process ends what the dead one started."""
    program = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from tests.support.stack import ProcessFamily\n"
        "import os\n"
        "family = ProcessFamily(Path(sys.argv[1]))\n"
        'nested = \'import subprocess, sys, time; subprocess.Popen([sys.executable, "-c", "import time; time.sleep(99)"], '
        "start_new_session=True); time.sleep(99)'\n"
        "family.start([sys.executable, '-c', nested], environment=dict(os.environ), log=Path(sys.argv[1]) / 'log')\n"
        "while len(family.members()) < 2: time.sleep(0.05)\n"
        "print(family.id, flush=True)\n"
        "time.sleep(99)\n"
    )
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    starter = subprocess.Popen(
        [sys.executable, "-c", program, str(scratch)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert starter.stdout
    family = starter.stdout.readline().strip()
    assert len(of_family(family)) == 2
    starter.kill()
    starter.wait()
    starter.stdout.close()
    wait_for(lambda: not of_family(family) and not scratch.exists(), timeout=10, what="the guard")


def both(stack: AirflowStack, task_instance_id: str) -> TaskProcesses | None:
    found = stack.task_processes(task_instance_id)
    return found if found and found.task else None


def of_family(family: str) -> list[int]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARKER) == family and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
        except (psutil.Error, OSError):
            continue
    return found

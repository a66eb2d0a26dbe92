# SPDX-License-Identifier: Apache-2.0
"""Faults of the account: no money, another key, another time."""

from __future__ import annotations

import time
from collections import Counter

from tests.faults.scenario import HELD, Expect, Scenario
from tests.faults.stage import Stage


def arrears(stage: Stage) -> None:
    """After twenty creates of fifty the account is in arrears; later it is topped up."""
    run = stage.start()
    run.until(lambda: stage.made >= 20, "twenty tasks at Kling")
    stage.sandbox.set_faults([{"kind": "arrears"}])
    run.finish()
    failed = [one for one in run.instances() if one.state == "failed"]
    stage.notes["refused"] = len(failed)
    stage.check(failed, "nobody met the arrears")
    stage.check(all(one.try_number == 1 for one in failed), "arrears were retried")
    log = stage.sandbox.stats()["create_log"]
    refused = Counter(create["external_task_id"] for create in log if create["fault"] == "arrears")
    stage.check(len(refused) == len(failed), f"{len(refused)} refused, {len(failed)} failed")
    stage.check(
        max(refused.values(), default=0) <= 1, f"{max(refused.values())} refused creates of one instance"
    )
    reasons = run.reasons().values()
    for text in reasons:
        stage.check("top up" in text, f"the message does not say what to do: {text}")
    # Kling tells the units once a second, and many are refused within one.
    stage.check(any("video units left" in text for text in reasons), "no message names the units")
    stage.sandbox.set_faults([])
    run.clear(one.map_index for one in failed)
    run.finish()


def rotated(stage: Stage) -> None:
    """The key is changed at Kling while ten wait for videos and ten in the queue, and half a minute later in Airflow."""
    run = stage.start()
    run.wait_in_queue(10, then=30)
    stage.sandbox.rotate_key("sk-the-new-one")
    time.sleep(20)
    stage.connect(password="sk-the-new-one")
    run.finish()
    failed = [one.map_index for one in run.instances() if one.state == "failed"]
    stage.notes["failed at the old key"] = len(failed)
    if failed:
        run.clear(failed)
        run.finish()


def access_key(stage: Stage) -> None:
    """Tokens of a clock that is ten minutes off, against the legacy API."""
    stage.connect(login=stage.sandbox.access_key, password=stage.sandbox.secret_key)
    stage.start().finish()


SCENARIOS = (
    Scenario(
        name="arrears",
        fault="arrears in the middle of a mapped run of 50; later topped up",
        play=arrears,
        videos=50,
    ),
    Scenario(
        name="key-rotated",
        fault="key rotated in the middle, the connection 20 s later",
        play=rotated,
        sandbox={"concurrency": 10, "render_seconds": HELD},
    ),
    Scenario(
        name="clock",
        fault="a clock that is 10 minutes off (API key)",
        faults=[{"kind": "skewed_clock", "seconds": 600}],
        expect=Expect(most_creates=20),
    ),
    Scenario(
        name="clock-tokens",
        fault="a clock that is 10 minutes off (access key and secret key)",
        play=access_key,
        faults=[{"kind": "skewed_clock", "seconds": 600}],
    ),
)

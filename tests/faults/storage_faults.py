# SPDX-License-Identifier: Apache-2.0
"""Faults on the way from Kling to the disk."""

from __future__ import annotations

import os
import subprocess

from tests.faults.scenario import Expect, Scenario
from tests.faults.stage import Stage


def disk_full(stage: Stage) -> None:
    """A file system with room for a few videos; later it gets more."""
    if os.geteuid():
        raise PermissionError("a small file system needs root")
    mount(stage, "mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs")
    try:
        run = stage.start()
        run.finish()
        failed = [one for one in run.instances() if one.state == "failed"]
        stage.notes["met the full disk"] = len(failed)
        stage.check(failed, "the disk was never full")
        for text in run.reasons().values():
            stage.check("space" in text.lower() and "paid" in text, f"the message does not say it: {text}")
        mount(stage, "mount", "-o", "remount,size=200m")
        run.clear(one.map_index for one in failed)
        run.finish()
        stage.freeze()
    finally:
        mount(stage, "umount")


def mount(stage: Stage, *command: str) -> None:
    subprocess.run([*command, str(stage.place)], check=True, capture_output=True)


ONCE = Expect(most_creates=20)
SCENARIOS = (
    Scenario(
        name="link-expired",
        fault="the link has expired when the download begins",
        dag="saves",
        files=True,
        faults=[{"kind": "expired_link", "seconds": 0, "probability": 0.5, "for_seconds": 60}],
        expect=ONCE,
    ),
    Scenario(
        name="download-cut",
        fault="a download cut in the middle",
        dag="saves",
        files=True,
        faults=[{"kind": "cut_download", "probability": 0.5}],
        expect=ONCE,
    ),
    Scenario(
        name="disk-full",
        fault="a disk that is full; later it has room",
        dag="saves",
        files=True,
        play=disk_full,
        expect=ONCE,
        timeout=600,
    ),
)

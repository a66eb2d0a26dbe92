# SPDX-License-Identifier: Apache-2.0
"""The whole way from a paid call to a file, through the hook and the sandbox, with its download faults."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from kling_provider.api.tasks import KlingTask
from kling_provider.hooks.kling import KlingHook
from kling_provider.sandbox import Sandbox
from kling_provider.storage import destination_path, find_saved_result, save_outputs
from tests.unit.storage_stand_ins import names, origin


def finished_at(hook: KlingHook, kling_task_id: str) -> KlingTask:
    deadline = time.monotonic() + 30
    while not (task := hook.get_task(kling_task_id)).status.ended:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return task


@pytest.mark.parametrize("api", ["standard", "legacy"])
def test_a_video_arrives_through_cuts_and_a_dead_link(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, api: str
) -> None:
    with Sandbox(time_scale=60, render_seconds=10) as sandbox:
        connection = {
            "conn_type": "kling",
            "host": sandbox.url,
            "password": sandbox.api_key,
            "extra": {"profile": "kling", "api": api},
        }
        monkeypatch.setenv("AIRFLOW_CONN_KLING_DEFAULT", json.dumps(connection))
        hook = KlingHook()
        made = hook.submit({"prompt": "A red panda brews tea", "duration": 3}, external_task_id="af-1")
        finished_at(hook, made.kling_task_id)
        sandbox.set_faults([{"kind": "expired_link", "times": 1}, {"kind": "cut_download", "times": 2}])
        task = hook.get_task(made.kling_task_id)
        root = destination_path(str(tmp_path))
        asked: list[str] = []

        def refresh() -> KlingTask:
            asked.append(made.kling_task_id)
            return hook.get_task(made.kling_task_id)

        saved = save_outputs(
            task, root, "panda", origin=origin(), refresh=refresh, http_extras=hook.connection.http_extras
        )
    assert names(tmp_path) == ["panda.kling.json", "panda.mp4", "panda.mp4.jpg"]
    assert asked == [made.kling_task_id]
    assert find_saved_result(root, "panda", origin()).manifest == saved.manifest  # type: ignore[union-attr]
    assert saved.manifest.billing == [
        {"charge_type": "unit", "amount": "1.8", "currency": None, "package_type": "video"}
    ]
    import av

    with av.open(tmp_path / "panda.mp4") as container:
        assert container.streams.video[0].codec_context.name == "h264"
        assert abs(container.duration / 1_000_000 - 3) < 0.2

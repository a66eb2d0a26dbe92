# SPDX-License-Identifier: Apache-2.0
"""What ``make demo`` shows while it waits, and at the end."""

from __future__ import annotations

import io
from collections import Counter
from pathlib import Path
from typing import Any

from demo.progress import Progress, sentence, stages
from demo.run import Row, read_result, table


def instance(index: int, state: str | None) -> dict[str, Any]:
    return {"task_id": "video", "map_index": index, "state": state, "rendered_map_index": None}


def test_progress_tells_waiting_for_a_slot_from_rendering() -> None:
    instances = [
        instance(0, "success"),
        instance(1, "deferred"),
        instance(2, "deferred"),
        instance(3, None),
        instance(4, "running"),
        instance(5, "up_for_retry"),
    ]
    triggers = [
        {"task_id": "video", "map_index": 1, "classpath": "kling_provider.triggers.kling.KlingTaskTrigger"},
        {"task_id": "video", "map_index": 2, "classpath": "kling_provider.triggers.kling.KlingSlotTrigger"},
    ]
    assert sentence(stages(instances, triggers)) == (
        "1 waiting to start, 1 at work, 1 waiting for a slot, 1 rendering, 1 to be tried again, 1 saved"
    )
    assert sentence(Counter({"saved": 3, "failed": 1})) == "3 saved, 1 failed"


def test_progress_off_a_terminal_is_a_line_per_change() -> None:
    out = io.StringIO()
    with Progress(out) as progress:
        for text in ("one", "one", "two"):
            progress.show(text)
    assert out.getvalue() == "   0 s: one\n   0 s: two\n"


def test_progress_on_a_terminal_is_one_line() -> None:
    out = io.StringIO()
    out.isatty = lambda: True  # type: ignore[method-assign]
    with Progress(out) as progress:
        progress.show("one")
        progress.say("said")
        progress.show("two")
    assert out.getvalue() == "\r\x1b[K   0 s: one\nsaid\n\r\x1b[K   0 s: two\n"


def test_the_table_has_a_row_per_video() -> None:
    text = table([Row("red-panda: A red panda", "8812", "5.0", "10 units", "demo-output/a.mp4", [])])
    heading, ruler, row = text.splitlines()
    assert heading.split() == ["prompt", "Kling", "task", "id", "seconds", "cost", "file"]
    assert row.index("8812") == heading.index("Kling")
    assert len(ruler) == len(row)


def test_a_missing_result_output_or_file_is_a_problem(tmp_path: Path) -> None:
    assert read_result(None, instance(2, "failed")).problems == ["no result; the task instance is failed"]
    result: dict[str, Any] = {
        "name": "a",
        "prompt": "b\nc",
        "kling_task_id": "1",
        "outputs": [],
        "billing": [],
    }
    row = read_result(result, instance(0, "success"))
    assert (row.prompt, row.cost, row.problems) == ("a: b c", "0 units", ["no output"])

    result["outputs"] = [{"file": None}, {"file": str(tmp_path / "none.mp4")}]
    result["billing"] = [{"amount": "7.50", "charge_type": "unit"}, {"amount": "2.5", "charge_type": "unit"}]
    row = read_result(result, instance(0, "success"))
    assert row.cost == "10 units"
    assert row.problems[0] == "an output was not saved"
    assert "none.mp4 cannot be read back" in row.problems[1]

# SPDX-License-Identifier: Apache-2.0
"""What ``make demo`` shows while it waits, and at the end."""

from __future__ import annotations

import io
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demo.installing import Reader, install
from demo.progress import Progress, sentence, stages
from demo.run import Row, read_result, table


def instance(index: int, state: str | None) -> dict[str, Any]:
    return {"task_id": "video", "map_index": index, "state": state, "rendered_map_index": None}


def test_progress_tells_waiting_in_the_queue_from_rendering() -> None:
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
        {
            "task_id": "video",
            "map_index": 2,
            "classpath": "kling_provider.triggers.kling.KlingConcurrencyTrigger",
        },
    ]
    assert sentence(stages(instances, triggers)) == (
        "1 waiting to start, 1 at work, 1 in the queue, 1 rendering, 1 to be tried again, 1 saved"
    )
    assert sentence(Counter({"saved": 3, "failed": 1})) == "3 saved, 1 failed"


def test_progress_off_a_terminal_is_a_line_per_change() -> None:
    out = io.StringIO()
    progress = Progress(out)
    for text in ("one", "one", "two"):
        progress.show(text)
        progress.repeat()
    assert out.getvalue() == "   0 s: one\n   0 s: two\n"


def test_progress_off_a_terminal_is_not_silent_for_long() -> None:
    out = io.StringIO()
    progress = Progress(out, silence=0)
    progress.repeat()  # there is nothing to say yet
    progress.show("one")
    progress.repeat()
    progress.say("said")
    progress.repeat()
    assert out.getvalue() == "   0 s: one\n   0 s: one\nsaid\n"


def test_progress_on_a_terminal_is_one_line() -> None:
    out = io.StringIO()
    out.isatty = lambda: True  # type: ignore[method-assign]
    progress = Progress(out)
    progress.show("one")
    progress.repeat()
    progress.say("said")
    progress.show("two")
    progress.__exit__(None, None, None)
    assert out.getvalue() == "\r\x1b[K   0 s: one\r\x1b[K   0 s: one\nsaid\n\r\x1b[K   0 s: two\n"


def row(**known: Any) -> Row:
    usual = {
        "file": "red-panda.mp4",
        "seconds": [5.04],
        "units": Decimal("2.4"),
        "kling_task_id": "955069802483810304",
        "prompt": "A red panda brews tea",
        "problems": [],
    }
    return Row(**{**usual, **known})


def test_the_table_has_a_row_per_video_and_their_sum() -> None:
    lines = table([row(), row(file="kite.mp4", seconds=[3, 4], units=Decimal("0.60"))]).splitlines()
    heading, ruler, first, second, ruler_again, total = lines
    assert heading.split() == ["video", "seconds", "cost", "Kling", "task", "id", "prompt"]
    assert first.index("9550") == heading.index("Kling")
    assert "3.0 4.0" in second
    assert ruler == ruler_again
    assert total.split() == ["2", "videos", "12.0", "3", "units"]
    assert table([row(units=Decimal(1))]).splitlines()[-1].split() == ["1", "video", "5.0", "1", "unit"]
    assert len(table([]).splitlines()) == 4


@pytest.mark.slow
@given(
    st.lists(
        st.builds(
            row,
            file=st.text("abc/ .", max_size=80),
            prompt=st.text(max_size=200),
            seconds=st.lists(st.floats(0, 15), max_size=2),
            units=st.decimals(0, 999, places=2),
        ),
        max_size=9,
    )
)
def test_the_table_fits_a_terminal(rows: list[Row]) -> None:
    lines = table(rows).splitlines()
    assert len(lines) == len(rows) + 4
    assert max(map(len, lines)) <= 100


def test_a_missing_result_output_or_file_is_a_problem(tmp_path: Path) -> None:
    missing = read_result(None, instance(2, "failed"), tmp_path)
    assert missing.problems == ["no result; the task instance is failed"]
    result: dict[str, Any] = {
        "name": "a",
        "prompt": "b\nc",
        "kling_task_id": "1",
        "outputs": [],
        "billing": [],
    }
    found = read_result(result, instance(0, "success"), tmp_path)
    assert (found.file, found.units, found.problems) == ("a", 0, ["no output"])
    assert "b c" in table([found])

    result["outputs"] = [{"file": None}, {"file": f"file://{tmp_path}/deep/none.mp4"}]
    result["billing"] = [{"amount": "7.50", "charge_type": "unit"}, {"amount": "2.5", "charge_type": "unit"}]
    found = read_result(result, instance(0, "success"), tmp_path)
    assert (found.units, found.file) == (10, "deep/none.mp4")
    assert found.problems[0] == "an output was not saved"
    assert "none.mp4 cannot be read back" in found.problems[1]


def test_what_pip_is_at_is_said_now_and_then() -> None:
    reader = Reader()
    assert (
        reader.read("  Preparing editable metadata (pyproject.toml): started")
        == "reading what this package needs"
    )
    said = [reader.read(f"Collecting package-{number}>=1") for number in range(60)]
    assert [words for words in said if words] == ["25 packages found", "50 packages found"]
    assert reader.read("  Using cached package.whl (12 kB)") is None
    assert reader.read("Installing collected packages: a, b, c") == "installing 3 packages"
    assert list(reader.last)[-1].startswith("Installing collected")
    assert reader.read("Installing collected packages: a") == "installing 1 package"


def test_a_failing_pip_fails_and_says_why() -> None:
    out = io.StringIO()
    with Progress(out) as progress:
        assert install(["--no-index", "no-such-package-of-ours"], progress) == 1
    assert "No matching distribution found for no-such-package-of-ours" in out.getvalue()

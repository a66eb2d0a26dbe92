# SPDX-License-Identifier: Apache-2.0
"""Errors are built whole: who knows more raises a new one."""

from __future__ import annotations

import pickle
import re
import traceback
from pathlib import Path

import pytest

import kling_provider
from kling_provider import exceptions
from kling_provider.api.codes import TaskState
from kling_provider.api.problems import Problem
from kling_provider.exceptions import KlingError, KlingRequestError, KlingServerError

KINDS = sorted(
    (kind for kind in vars(exceptions).values() if isinstance(kind, type) and issubclass(kind, KlingError)),
    key=lambda kind: kind.__name__,
)


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_with_context_is_another_one_of_its_class(kind: type[KlingError]) -> None:
    facts = {"code": 1303, "request_id": "r", "http_status": 429, "retry_after": 2.5}
    problem = Problem("prompt", "", "must be a text")
    error = kind("It failed.", **facts, kling_task_id="1", problems=[problem])
    told = error.with_context(prefix="First: ", suffix=" Then.", task_state=TaskState.EXISTS)
    assert type(told) is kind
    assert str(told) == "First: It failed. Then."
    assert vars(told) == {**vars(error), "task_state": TaskState.EXISTS}
    assert (str(error), error.task_state) == ("It failed.", TaskState.NONE)
    assert error.with_context(kling_task_id="2").kling_task_id == "2"


def test_an_error_with_context_leads_to_where_the_first_one_was_raised() -> None:
    def fail() -> None:
        raise KlingServerError("It failed.") from OSError("the wire")

    def tell() -> None:
        try:
            fail()
        except KlingServerError as error:
            raise error.with_context(suffix=" Once more.") from error.__cause__

    with pytest.raises(KlingServerError) as caught:
        tell()
    shown = "".join(traceback.format_exception(caught.value))
    assert "in fail" in shown
    assert shown.count("It failed.") == 2, "the line that raised it, and the message"
    assert "OSError: the wire" in shown


def test_an_error_goes_to_another_process_whole() -> None:
    error = KlingRequestError("x", task_state=TaskState.MAY_EXIST, problems=[Problem("f", 1, "m")])
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), vars(again)) == (str(error), vars(error))


def test_no_module_edits_an_error() -> None:
    """An error that was changed after it was raised says something else in each log that holds it."""
    edits = re.compile(
        r"\b(?:error|why|wrong|refused|gone|invalid|failed)\.(?:args|\w+) *(?:, *\w+\.\w+ *)?=(?!=)"
    )
    root = Path(kling_provider.__file__).parent
    found = [
        f"{file.relative_to(root)}: {line.strip()}"
        for file in sorted(root.rglob("*.py"))
        for line in file.read_text().splitlines()
        if edits.search(line)
    ]
    assert found == []

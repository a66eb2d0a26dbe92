# SPDX-License-Identifier: Apache-2.0
"""Every kind of fault in the table is carried out by a module that its phase names, and one that is not is no silent success."""

from __future__ import annotations

import ast
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast, get_args

import pytest

from kling_provider import sandbox
from kling_provider.sandbox.endpoints.base import Endpoint
from kling_provider.sandbox.endpoints.create import Create
from kling_provider.sandbox.endpoints.fault_answers import apply_fault, build_fault_response
from kling_provider.sandbox.http.messages import Response
from kling_provider.sandbox.state.faults import KINDS, FaultKind, Faults, Phase, Rule

PACKAGE = Path(str(sandbox.__file__)).parent
#: What the docstring of ``FaultKind`` says.
CARRIED_OUT_BY: dict[Phase, tuple[str, ...]] = {
    "before": ("endpoints/fault_answers.py",),
    "after": ("endpoints/fault_answers.py", "endpoints/base.py"),
    "task": ("endpoints/create.py",),
    "standing": ("app.py", "endpoints/*.py", "endpoints/gateways/*.py"),
}
#: Delays are summed up where rules are drawn: they act beside another fault.
DELAYS = {"slow"}


def find_words(phase: Phase) -> set[str]:
    """Return all texts of the modules that carry out a phase, without docstrings."""
    files = [file for pattern in CARRIED_OUT_BY[phase] for file in PACKAGE.glob(pattern)]
    assert files
    words = set()
    for file in files:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                words.add(node.value)
    return words


@pytest.mark.parametrize("phase", get_args(Phase))
def test_every_kind_is_carried_out_where_its_phase_says(phase: Phase) -> None:
    kinds = {name for name, kind in KINDS.items() if kind.phase == phase} - DELAYS
    assert kinds
    assert kinds <= find_words(phase)


@pytest.mark.parametrize("name", [name for name, kind in KINDS.items() if "made" in kind.parameters])
def test_what_can_happen_to_an_answer_too_is_applied_to_one(name: str) -> None:
    rule = Rule({"kind": name, "made": True}, 1, 0.0)
    assert rule.acting_phase == "after"
    assert apply_fault(rule, Response(), cast(Endpoint, None)).status >= 400


@pytest.fixture
def rule_of_a_new_kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Rule:
    """A rule of a kind that has a row in the table and nothing else."""
    monkeypatch.setitem(KINDS, "made_up", FaultKind(request.param, ("create",), "nothing", {}))
    return Rule({"kind": "made_up"}, 1, 0.0)


@pytest.mark.parametrize("rule_of_a_new_kind", ["before"], indirect=True)
def test_a_new_kind_before_the_work_is_not_answered_by_chance(rule_of_a_new_kind: Rule) -> None:
    with pytest.raises(NotImplementedError, match="made_up"):
        build_fault_response(cast(Any, None), rule_of_a_new_kind, cast(Endpoint, None))


@pytest.mark.parametrize("rule_of_a_new_kind", ["after"], indirect=True)
def test_a_new_kind_after_the_work_does_not_leave_the_answer_as_it_is(rule_of_a_new_kind: Rule) -> None:
    with pytest.raises(NotImplementedError, match="made_up"):
        apply_fault(rule_of_a_new_kind, Response(), cast(Endpoint, None))


@pytest.mark.parametrize("rule_of_a_new_kind", ["task"], indirect=True)
def test_a_new_kind_of_a_task_does_not_leave_the_task_as_it_is(rule_of_a_new_kind: Rule) -> None:
    faults = Faults(1)
    faults.replace_rules([{"kind": "made_up"}], 0.0)
    create = SimpleNamespace(app=SimpleNamespace(faults=faults), note=SimpleNamespace(task_faults=[]))
    with pytest.raises(NotImplementedError, match="made_up"):
        Create._draw_task_fault(cast(Any, create), {}, 0.0)


@pytest.mark.parametrize("phase", get_args(Phase))
def test_a_row_that_nothing_carries_out_is_found(phase: Phase, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(KINDS, "made_up", FaultKind(phase, ("create",), "nothing", {}))
    with pytest.raises(AssertionError):
        test_every_kind_is_carried_out_where_its_phase_says(phase)

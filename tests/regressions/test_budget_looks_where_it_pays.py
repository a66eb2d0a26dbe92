# SPDX-License-Identifier: Apache-2.0
"""The budget counted as new what the paying task would not pay: what is saved, what earlier runs paid, equal requests.

Now what it says is what happens: each test runs the paying tasks after the budget and counts the paid calls.
"""

from __future__ import annotations

import itertools
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG
from hypothesis import given, settings
from hypothesis import strategies as st

from kling_provider.operators.kling import KlingBudgetOperator, KlingGenerateOperator, KlingSubmitOperator
from kling_provider.sandbox import Sandbox
from tests.regressions.outcomes import connected, creates, outcome_of
from tests.regressions.renamed import ACCOUNT, AFTER_VIDEO
from tests.unit import instance as instances
from tests.unit.instance import Instance

LIST = [{"name": f"film-{n}", "prompt": f"Film {n}", "duration": 5} for n in range(4)]  # 3 units each, $0.42
_runs = itertools.count()


class Story:
    """A Dag with a budget before its paying task, and its runs."""

    def __init__(self, sandbox: Sandbox, **settings: Any) -> None:
        self.sandbox = sandbox
        self.made_of = settings.pop("made_of", KlingGenerateOperator)
        self.budget_settings = settings.pop("budget", {})
        self.settings = settings
        self.assets = instances.Assets()
        self.next_run()

    def next_run(self) -> None:
        self.run_id = f"manual__{next(_runs)}"

    def context(self, task_id: str, index: int = -1) -> dict[str, Any]:
        instance = Instance(task_id, run_id=self.run_id, map_index=index, dag=self.dag, assets=self.assets)
        return {**instance.context, "run_id": self.run_id}

    def _parse(self, requests: list[Any]) -> Any:
        with DAG("films", start_date=datetime(2026, 1, 1), schedule=None) as self.dag:
            budget = KlingBudgetOperator(task_id="budget", requests=requests, **self.budget_settings)
            pays = self.made_of.partial(task_id="video", **self.settings).expand(request=requests)
            budget >> pays
        return budget

    def counted(self, requests: list[Any], **limits: Any) -> int:
        """How many the budget says are to be paid."""
        self.budget_settings = {**self.budget_settings, **(limits or {"max_requests": 0})}
        budget = self._parse(requests)
        outcome = outcome_of(lambda: budget.execute(self.context("budget")))
        if outcome == requests:
            return 0
        said = re.search(r"(\d+) videos? to be paid", str(outcome))
        assert said is not None, repr(outcome)
        return int(said[1])

    def paid(self, requests: list[Any]) -> int:
        """How many paid calls that make a task the paying tasks of this run send, waiting for each."""
        self._parse(requests)
        before = self._made()
        for index, request in enumerate(requests):
            operator: Any = self.dag.get_task("video")
            operator = operator.unmap({"request": request})
            context = self.context("video", index)
            context["outlet_events"] = {asset: _Event() for asset in operator.outlets}
            outcome = outcome_of(lambda operator=operator, context=context: operator.execute(context))  # type: ignore[misc]
            if type(outcome).__name__ == "TaskDeferred":
                self.sandbox.advance(20)
                event = {"kling_task_id": outcome.trigger.kling_task_id, "status": "succeeded"}
                outcome = outcome_of(
                    lambda operator=operator, context=context, event=event, more=outcome.kwargs: (  # type: ignore[misc]
                        getattr(operator, AFTER_VIDEO)(context, event, **more)
                    )
                )
            assert not isinstance(outcome, BaseException), repr(outcome)
        return self._made() - before

    def _made(self) -> int:
        return len(self.sandbox.backend.all())


class _Event:
    def __init__(self) -> None:
        self.extra: dict[str, Any] = {}


@contextmanager
def gateway(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    with connected(monkeypatch, profile="gateway") as sandbox:
        yield sandbox


def test_what_an_earlier_run_saved_is_not_counted_at_a_host_that_finds_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with gateway(monkeypatch) as sandbox:
        story = Story(sandbox, destination=str(tmp_path), pay_once_per="dag")
        assert story.counted(LIST) == 4
        assert story.paid(LIST[:3]) == 3
        story.next_run()
        assert story.counted(LIST) == 1
        assert story.paid(LIST) == 1


def test_nor_is_what_an_earlier_run_remembers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with gateway(monkeypatch) as sandbox:
        folder = f"{tmp_path}/{{{{ run_id }}}}"  # each run saves elsewhere
        story = Story(sandbox, destination=folder, pay_once_per="dag")
        assert story.paid(LIST[1:]) == 3
        story.next_run()
        assert story.counted(LIST) == 1
        assert story.paid(LIST) == 1
        story.next_run()
        assert story.counted(LIST) == 0


@pytest.mark.parametrize(
    ("where", "file"),
    [
        ("{tmp}/{{{{ run_id }}}}", "{name}"),
        ("{tmp}", "{run_id}/{name}"),
        ("{tmp}/{{{{ task.request.name }}}}", "video"),
    ],
)
def test_it_looks_where_this_run_saves(
    where: str, file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with gateway(monkeypatch) as sandbox:
        story = Story(sandbox, destination=where.format(tmp=tmp_path), filename=file)
        rendered = {**story.settings}
        story.settings = {
            name: value.replace("{{ run_id }}", story.run_id).replace("{{ task.request.name }}", "film-0")
            for name, value in rendered.items()
        }
        assert story.paid(LIST[:1]) == 1
        story.settings = rendered
        assert story.counted(LIST) == 3


@pytest.mark.parametrize("settings", [{"pay_once_per": "dag"}, {"pay_once_per": ACCOUNT}, {}], ids=repr)
def test_equal_requests_are_counted_once(settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    equal = [*LIST, *LIST[:2], LIST[0]]
    with connected(monkeypatch) as sandbox:
        story = Story(sandbox, made_of=KlingSubmitOperator, **settings)
        assert story.counted(equal) == 4
        assert story.paid(equal) == 4


def test_the_account_is_that_of_the_paying_task(monkeypatch: pytest.MonkeyPatch) -> None:
    with connected(monkeypatch) as sandbox:
        other = {"conn_type": "kling", "host": "http://127.0.0.1:9", "password": "none"}
        monkeypatch.setenv("AIRFLOW_CONN_KLING_FILMS", os.environ["AIRFLOW_CONN_KLING_DEFAULT"])
        monkeypatch.setenv("AIRFLOW_CONN_KLING_DEFAULT", json.dumps(other))
        story = Story(sandbox, made_of=KlingSubmitOperator, kling_conn_id="kling_films")
        assert story.paid(LIST[:1]) == 1
        assert story.counted(LIST) == 3


def test_the_sum_says_dollars(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    unpriced = [
        {"prompt": "x", "model": "kling-2.6", "resolution": "1080p"},
        {"prompt": "y", "model": "kling-9"},
    ]
    with connected(monkeypatch) as sandbox:
        for requests in (LIST, LIST[:1], unpriced, [*LIST, LIST[0]]):
            Story(sandbox).counted(requests)
    said = capsys.readouterr().out + caplog.text
    assert "4 of 4 to be paid: 12 units (about $1.68) at list price" in said
    assert "1 of 1 to be paid: 3 units (about $0.42) at list price" in said
    assert "2.5 units (about $0.35) at list price, and 1 without a known price in units" in said
    assert "the same as film-0, paid once" in said


def test_a_request_that_takes_a_task_over_is_not_paid(monkeypatch: pytest.MonkeyPatch) -> None:
    with connected(monkeypatch) as sandbox:
        there = KlingSubmitOperator(task_id="one", request=LIST[0]).execute(Instance("one").context)
        story = Story(sandbox)
        assert story.counted([{"prompt": "Film 0", "adopt": there}, LIST[1]]) == 1


@pytest.mark.parametrize("task_id", ["vidoe", "budget", "no_such_task"])
def test_a_task_that_does_not_pay_is_refused(task_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.providers.common.compat.sdk import AirflowFailException

    with connected(monkeypatch) as sandbox:
        story = Story(sandbox, budget={"video_task_id": task_id})
        budget = story._parse(LIST)
        outcome = outcome_of(lambda: budget.execute(story.context("budget")))
    assert isinstance(outcome, AirflowFailException), repr(outcome)
    assert "video_task_id must be the id of a task" in str(outcome)
    assert ("Did you mean 'video'?" in str(outcome)) == (task_id == "vidoe")


def test_what_is_wrong_with_every_request_is_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with connected(monkeypatch) as sandbox:
        story = Story(sandbox)
        wrong = [{"promt": "x"}, {"prompt": "x", "duration": 99}, {"type": "nope"}]
        outcome = outcome_of(lambda: story._parse([*LIST, *wrong]).execute(story.context("budget")))
        assert creates(sandbox) == 0
        refused = outcome_of(lambda: story._parse([*LIST, "Film 9", None, 7]))
    assert type(outcome).__name__ == "KlingRequestError", repr(outcome)
    assert all(f"#{index}" in str(outcome) for index in (4, 5, 6))
    assert type(refused).__name__ == "KlingRequestError", repr(refused)


entries = st.lists(
    st.fixed_dictionaries(
        {"prompt": st.sampled_from(["One", "Two"])}, optional={"name": st.sampled_from(["a", "b"])}
    ),
    min_size=1,
    max_size=4,
)


@settings(max_examples=10, deadline=None)
@given(entries=entries, before=entries, scope=st.sampled_from(["run", "dag"]), same_run=st.booleans())
def test_what_is_counted_is_what_is_paid(
    entries: list[dict[str, Any]],
    before: list[dict[str, Any]],
    scope: str,
    same_run: bool,
) -> None:
    with pytest.MonkeyPatch.context() as patch, connected(patch) as sandbox:
        story = Story(sandbox, made_of=KlingSubmitOperator, pay_once_per=scope)
        story.paid(before)
        if not same_run:
            story.next_run()
        assert story.counted(entries) == story.paid(entries)

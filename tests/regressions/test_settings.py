# SPDX-License-Identifier: Apache-2.0
"""Settings that cannot be, met after the payment: by a crash of the paid task, or by reads without end.

They are refused before anything is sent: where the Dag is parsed, for mapped tasks on the worker.
"""

from __future__ import annotations

import asyncio
import itertools
import math
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException
from airflow.sdk import DAG, task
from hypothesis import given, settings
from hypothesis import strategies as st

from kling_provider.hooks.kling import KlingAsyncHook, KlingHook
from kling_provider.operators.kling import (
    KlingBudgetOperator,
    KlingDownloadOperator,
    KlingGenerateOperator,
    KlingReconcileOperator,
    KlingSubmitOperator,
)
from kling_provider.sandbox import Sandbox
from kling_provider.sensors.kling import KlingTaskSensor
from kling_provider.triggers.kling import KlingTaskTrigger
from tests.regressions.outcomes import RED_PANDA, connected, creates, outcome_of
from tests.regressions.renamed import ACCOUNT, QUEUE_TIMEOUT, list_by_status
from tests.unit.instance import Instance

NOT_A_TIME: list[Any] = [
    None,
    "1h",
    "ten",
    0,
    -1,
    timedelta(0),
    timedelta(seconds=-5),
    timedelta.max,
    math.nan,
    math.inf,
    10**400,
    True,
    [10],
]
#: ``None`` leaves the interval to what was learned.
NOT_AN_INTERVAL = [*(one for one in NOT_A_TIME if one is not None), 0.0005, "10s"]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with pytest.MonkeyPatch.context() as patch, connected(patch) as running:
        yield running


def generate(**settings: Any) -> Any:
    """A task that sends, waits for a moment, and ends."""
    operator = KlingGenerateOperator(task_id="video", request=RED_PANDA, **settings)
    return operator.execute(Instance().context)


def refused_unpaid(call: Callable[[], Any], sandbox: Sandbox, *words: str) -> str:
    """The error's text: it is final, names the setting, and nothing was sent."""
    before = creates(sandbox)
    outcome = outcome_of(call)
    assert creates(sandbox) == before, outcome
    assert isinstance(outcome, AirflowFailException), repr(outcome)
    for word in ("must be", *words):
        assert word in str(outcome)
    return str(outcome)


@pytest.mark.parametrize("value", NOT_A_TIME, ids=repr)
@pytest.mark.parametrize("name", ["timeout", QUEUE_TIMEOUT])
def test_a_time_that_is_none_is_refused_before_anything_is_paid(
    name: str, value: Any, sandbox: Sandbox
) -> None:
    refused_unpaid(lambda: generate(**{name: value}), sandbox, name)


@pytest.mark.parametrize("value", NOT_AN_INTERVAL, ids=repr)
def test_an_interval_that_is_none_is_refused_before_anything_is_paid(value: Any, sandbox: Sandbox) -> None:
    refused_unpaid(lambda: generate(poll_interval=value), sandbox, "poll_interval")


@pytest.mark.parametrize("value", NOT_AN_INTERVAL, ids=repr)
@pytest.mark.parametrize("name", ["poll_interval", "poke_interval"])
def test_the_sensor_has_the_same_rule(name: str, value: Any, sandbox: Sandbox) -> None:
    sensor: Any = KlingTaskSensor
    refused_unpaid(lambda: sensor(task_id="wait", kling_task_id="1", **{name: value}), sandbox, name)


@pytest.mark.parametrize("value", [None, "1h", timedelta.max, math.nan, math.inf], ids=repr)
def test_the_sensor_s_timeout_has_the_same_rule(value: Any, sandbox: Sandbox) -> None:
    refused_unpaid(
        lambda: KlingTaskSensor(task_id="wait", kling_task_id="1", timeout=value), sandbox, "timeout"
    )


def test_numbers_and_timedeltas_mean_the_same_everywhere(sandbox: Sandbox) -> None:
    for value, name in itertools.product(
        (5, 5.0, timedelta(seconds=5)), ("timeout", QUEUE_TIMEOUT, "poll_interval")
    ):
        outcome = outcome_of(lambda name=name, value=value: generate(**{name: value}))  # type: ignore[misc]
        assert type(outcome).__name__ == "TaskDeferred", (name, outcome)
        assert outcome.trigger.serialize()[1]["poll_interval"] == (5.0 if name == "poll_interval" else None)


anything = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
    st.timedeltas(),
    st.lists(st.integers(), max_size=2),
)


@settings(max_examples=30, deadline=None)
@given(name=st.sampled_from(["timeout", QUEUE_TIMEOUT, "poll_interval"]), value=anything)
def test_whatever_is_written_either_waits_or_pays_nothing(name: str, value: Any, sandbox: Sandbox) -> None:
    before = creates(sandbox)
    outcome = outcome_of(lambda: generate(**{name: value}))
    if isinstance(outcome, AirflowFailException):
        assert creates(sandbox) == before
    else:
        assert type(outcome).__name__ == "TaskDeferred", (name, value, outcome)
        interval = outcome.trigger.serialize()[1]["poll_interval"]
        assert interval >= 1 if name == "poll_interval" and value is not None else interval is None


@pytest.mark.parametrize("value", [0, -1, 0.0005, math.nan, math.inf, "10", None], ids=repr)
def test_a_trigger_from_an_old_row_cannot_hold_up_the_triggerer(value: Any) -> None:
    interval = KlingTaskTrigger(kling_task_id="1", poll_interval=value).serialize()[1]["poll_interval"]
    # None: what was learned decides.
    assert interval is None or 1 <= interval <= 86_400


@pytest.mark.parametrize(
    ("made", "wrong", "near"),
    [
        (KlingSubmitOperator, {"on_ambiguous": "Resubmit"}, "Did you mean 'resubmit'?"),
        (KlingSubmitOperator, {"on_ambiguous": "resend"}, "'resubmit'"),
        (KlingSubmitOperator, {"pay_once_per": "week"}, f"'run', 'dag', {ACCOUNT!r}"),
        (KlingSubmitOperator, {"pay_once_per": "DAG"}, "Did you mean 'dag'?"),
        (KlingGenerateOperator, {"deferrable": "no"}, "True or False"),
        (KlingGenerateOperator, {"replace": "never"}, "True or False"),
        (KlingSubmitOperator, {"plan_only": 1}, "True or False"),
        (KlingSubmitOperator, {"max_units": math.nan}, "a number, 0 or more"),
        (KlingSubmitOperator, {"max_units": "3 units"}, "a number, 0 or more"),
        (KlingSubmitOperator, {"kling_conn_id": None}, "the id of a connection"),
    ],
)
def test_an_unknown_word_is_refused_with_what_was_meant(
    made: Any, wrong: dict[str, Any], near: str, sandbox: Sandbox
) -> None:
    instance = Instance()
    refused_unpaid(
        lambda: made(task_id="video", request=RED_PANDA, **wrong).execute(instance.context),
        sandbox,
        *wrong,
        near,
    )


def test_every_wrong_setting_is_named_at_once(sandbox: Sandbox) -> None:
    text = refused_unpaid(
        lambda: generate(timeout="1h", on_ambiguous="Resubmit", poll_interval=0, pay_once_per="week"), sandbox
    )
    assert all(name in text for name in ("on_ambiguous", "pay_once_per"))


def budget(**wrong: Any) -> Any:
    with DAG("films", start_date=datetime(2026, 1, 1), schedule=None) as dag:
        operator = KlingBudgetOperator(
            task_id="budget",
            video_task_id="video",
            **{"requests": [RED_PANDA], "pay_once_per": "run", **wrong},
        )
    return operator.execute(Instance("budget", dag=dag).context)


@pytest.mark.parametrize(
    "wrong",
    [
        {"on_exceed": "warn"},
        {"on_exceed": "Skip"},
        {"pay_once_per": "week"},
        {"max_units": "12"},
        {"max_usd": math.nan},
        {"max_requests": 2.5},
        {"max_requests": -1},
        {"requests": "panda.md"},
        {"requests": RED_PANDA},
        {"requests": None},
    ],
    ids=repr,
)
def test_the_budget_refuses_what_it_cannot_keep(wrong: dict[str, Any], sandbox: Sandbox) -> None:
    refused_unpaid(lambda: budget(**wrong), sandbox, *wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"dag_ids": "films"},
        {"dag_ids": ["films", None]},
        {"also": "/old"},
        {"also": [""]},
        {"window": "30 days"},
        {"window": timedelta.max},
        {"grace": -1},
    ],
    ids=repr,
)
def test_reconcile_refuses_a_text_where_a_list_is_meant(
    wrong: dict[str, Any], sandbox: Sandbox, tmp_path: Any
) -> None:
    refused_unpaid(
        lambda: KlingReconcileOperator(task_id="reconcile", destination=str(tmp_path), **wrong).execute(
            Instance("reconcile").context
        ),
        sandbox,
        *wrong,
    )


def test_a_list_that_jinja_rendered_as_text_is_no_list_either(sandbox: Sandbox, tmp_path: Any) -> None:
    operator = KlingReconcileOperator(task_id="reconcile", destination=str(tmp_path), also="{{ params.old }}")  # type: ignore[arg-type]
    operator.also = "/old, /older"
    refused_unpaid(lambda: operator.execute(Instance("reconcile").context), sandbox, "also")


@pytest.mark.parametrize(
    "wrong", [{"timeout": "1h"}, {"poll_interval": 0}, {"on_ambiguous": "Resubmit"}], ids=repr
)
def test_what_mapped_tasks_have_in_common_is_checked_where_the_dag_is_parsed(
    wrong: dict[str, Any], sandbox: Sandbox
) -> None:
    def parse() -> None:
        with DAG("films", start_date=datetime(2026, 1, 1), schedule=None):
            KlingGenerateOperator.partial(task_id="video", **wrong).expand(request=[RED_PANDA])

    def parse_function() -> None:
        with DAG("films", start_date=datetime(2026, 1, 1), schedule=None):

            @task.kling(**wrong)
            def video(prompt: str) -> str:
                return prompt

            video.expand(prompt=["A red panda"])

    refused_unpaid(parse, sandbox, *wrong)
    refused_unpaid(parse_function, sandbox, *wrong)


def test_what_is_mapped_is_checked_before_the_call(sandbox: Sandbox) -> None:
    with DAG("films", start_date=datetime(2026, 1, 1), schedule=None) as dag:
        KlingGenerateOperator.partial(task_id="video", request=RED_PANDA).expand(timeout=["1h", 60])
    mapped: Any = dag.get_task("video")
    refused_unpaid(lambda: mapped.unmap({"timeout": "1h"}).execute(Instance().context), sandbox, "timeout")
    assert mapped.unmap({"timeout": 60}).timeout == 60


@pytest.mark.parametrize("value", [None, "None", "", "null", True, math.nan, ["1", "2"], {"id": 1}], ids=repr)
def test_no_kling_task_is_the_task_none(value: Any, sandbox: Sandbox) -> None:
    for waiter in (
        KlingTaskSensor(task_id="wait", kling_task_id=value),
        KlingDownloadOperator(task_id="wait", kling_task_id=value, destination="/videos"),
    ):
        outcome = outcome_of(lambda waiter=waiter: waiter.execute(Instance("wait").context))
        assert isinstance(outcome, AirflowFailException), repr(outcome)
        assert "kling_task_id must be the id of one Kling task" in str(outcome)


@pytest.mark.parametrize("type_", ["text2video", "image", "Text_to_video", 7], ids=repr)
def test_a_type_that_is_none_says_which_there_are(type_: Any, sandbox: Sandbox) -> None:
    outcome = outcome_of(
        lambda: KlingTaskSensor(task_id="wait", kling_task_id="1", type=type_).execute(
            Instance("wait").context
        )
    )
    assert isinstance(outcome, AirflowFailException), repr(outcome)
    assert "type must be one of: text_to_video, image_to_video" in str(outcome)


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda hook: hook.get_tasks("8812"), "kling_task_ids must be a list of texts"),
        (lambda hook: hook.get_tasks(["8812", None]), "kling_task_ids must be a list of texts"),
        (lambda hook: hook.find("af-1"), "external_task_ids must be a list of texts"),
        (lambda hook: list_by_status(hook, "failed"), " must be a list of texts"),
        (lambda hook: list_by_status(hook, ["faild"]), "Did you mean 'failed'?"),
        (lambda hook: hook.get_task("8812", type="text2video"), "type must be one of: text_to_video"),
    ],
)
def test_the_hook_does_not_read_a_text_letter_by_letter(ask: Any, said: str, sandbox: Sandbox) -> None:
    before = len(sandbox.requests())
    outcome = outcome_of(lambda: ask(KlingHook()))
    assert isinstance(outcome, AirflowFailException), repr(outcome)
    assert said in str(outcome)
    assert len(sandbox.requests()) == before


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda hook: hook.get_tasks("8812"), "kling_task_ids must be a list of texts"),
        (lambda hook: hook.find("af-1"), "external_task_ids must be a list of texts"),
        (lambda hook: hook.list_tasks(statuses="failed"), "statuses must be a list of texts"),
        (lambda hook: hook.list_tasks(product_types=["film"]), "product_types must be among video"),
    ],
)
def test_nor_does_the_asynchronous_one(ask: Any, said: str, sandbox: Sandbox) -> None:
    async def main() -> Any:
        async with KlingAsyncHook() as hook:
            return await ask(hook)

    outcome = outcome_of(lambda: asyncio.run(main()))
    assert isinstance(outcome, AirflowFailException), repr(outcome)
    assert said in str(outcome)

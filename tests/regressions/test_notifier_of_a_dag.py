# SPDX-License-Identifier: Apache-2.0
"""``KlingNotifier`` called a failed run "done", sent its first message again for later runs, asked for XComs that its text
does not use, and sent addresses that lead nowhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG
from hypothesis import given, settings
from hypothesis import strategies as st

from kling_provider.notifications.kling import KlingNotifier
from tests.support.webhook import Webhook

RESULT = {
    "name": "panda",
    "prompt": "A red panda",
    "model": "kling-3.0",
    "adopted": False,
    "kling_task_id": "912",
    "status": "succeeded",
    "outputs": [{"file": "file:///videos/panda.mp4", "poster": "file:///videos/panda.mp4.jpg"}],
    "billing": [{"charge_type": "unit", "amount": "1.80", "currency": None}],
}
RENDERING = {"state": "processing", "request": {"name": "panda"}, "kling_task_id": "912"}


@pytest.fixture
def webhook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Webhook]:
    with Webhook() as running:
        connection = json.dumps({"conn_type": "http", "host": running.address})
        monkeypatch.setenv("AIRFLOW_CONN_KLING_WEBHOOK", connection)
        monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.example")
        yield running


def instance(asked: list[str] | None = None, state: str | None = None, **xcoms: Any) -> Any:
    def xcom_pull(task_ids: str, key: str, map_indexes: int) -> Any:
        if asked is not None:
            asked.append(key)
        return xcoms.get(key)

    return SimpleNamespace(
        dag_id="films",
        run_id="manual__1",
        task_id="video",
        map_index=-1,
        log_url="https://airflow.example/log",
        state=state,
        xcom_pull=xcom_pull,
    )


def of_a_run(reason: str, ti: Any = None, run_id: str = "manual__1") -> Any:
    """The context of a Dag's callback, as Airflow makes it: with the task instance that ended last, or without one."""
    context = {"dag": DAG("films", schedule=None), "run_id": run_id, "reason": reason}
    return {**context, "ti": ti} if ti is not None else context


def tell(notifier: KlingNotifier, context: Any) -> None:
    """Call it as Airflow does, which logs what a callback raises: a message that never came."""
    try:
        notifier(context)
    except Exception as error:
        pytest.fail(repr(error))


@pytest.mark.parametrize(
    "ti", [None, instance(return_value=RESULT), instance(kling=RENDERING)], ids=["none", "done", "rendering"]
)
@pytest.mark.parametrize(
    "reason", ["task_failure", "timed_out", "all_tasks_deadlocked", "marked by a person"]
)
def test_a_failed_run_is_never_done(reason: str, ti: Any, webhook: Webhook) -> None:
    notifier = KlingNotifier(text="{{ run_id }}: {{ kling.title }}, {{ kling.name }}")
    tell(notifier, of_a_run(reason, ti))
    [message] = webhook.received
    assert "done" not in message["text"]
    assert message["text"] == "manual__1: Dag run failed, films"


def test_a_run_that_timed_out_says_what_kling_goes_on_with(webhook: Webhook) -> None:
    tell(KlingNotifier(), of_a_run("timed_out", instance(kling=RENDERING)))
    lines = webhook.received[0]["text"].splitlines()
    assert lines[:2] == [
        "Dag run failed: films",
        "the run timed out. Kling task 912 goes on and is billed when it succeeds",
    ]
    assert not any(line.startswith(("File", "Cost", "Picture", "Image")) for line in lines)


@pytest.mark.parametrize(
    ("state", "title"),
    [
        ("failed", "Kling video failed"),
        ("up_for_retry", "Kling video failed, will be retried"),
        (None, "Kling video not finished"),
        ("running", "Kling video started"),
        ("skipped", "Kling video skipped"),
    ],
)
def test_a_task_that_was_killed_has_no_exception_and_is_not_done(
    state: str | None, title: str, webhook: Webhook
) -> None:
    tell(KlingNotifier(), {"ti": instance(state=state, kling=RENDERING)})
    assert webhook.received[0]["text"].splitlines()[0] == f"{title}: panda"


def test_every_run_has_a_message_of_its_own(webhook: Webhook) -> None:
    notifier = KlingNotifier(
        text="{{ run_id }}: {{ kling.title }} {{ kling.name }}", payload={"channel": "#{{ run_id }}"}
    )
    runs = [f"manual__{number}" for number in range(6)]
    for run_id in runs:
        tell(notifier, of_a_run("task_failure", instance(kling=RENDERING), run_id))
    assert [message["text"] for message in webhook.received] == [
        f"{run}: Dag run failed films" for run in runs
    ]
    assert [message["channel"] for message in webhook.received] == [f"#{run}" for run in runs]


@settings(max_examples=25, deadline=None)
@given(
    texts=st.lists(
        st.sampled_from(["{{ kling.prompt }}", "{{ run_id }}", "{{ kling.model }} {{ run_id }}", "done"]),
        min_size=2,
        max_size=4,
    )
)
def test_an_object_stays_as_it_was_written(texts: list[str]) -> None:
    with Webhook() as webhook, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW_CONN_KLING_WEBHOOK", json.dumps({"conn_type": "http", "host": webhook.address}))
        notifiers = [KlingNotifier(text=text) for text in texts]
        for run in range(2):
            for notifier in notifiers:
                tell(notifier, {"ti": instance(return_value=RESULT), "run_id": f"run{run}"})
        assert [notifier.text for notifier in notifiers] == texts
        sent = [message["text"] for message in webhook.received]
        assert sent[len(texts) :] == [text.replace("run0", "run1") for text in sent[: len(texts)]]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Dag {{ dag.dag_id }} is done", []),
        ("{{ ti.task_id }} of {{ run_id }}", []),
        ("{{ kling.log }}", []),
        ("{{ kling.prompt }}", ["return_value"]),
        ("{{ kling.model }} {{ kling.prompt }} {{ kling.file }}", ["return_value"]),
    ],
)
def test_xcoms_that_the_text_does_not_use_are_not_asked_for(
    text: str, wanted: list[str], webhook: Webhook
) -> None:
    asked: list[str] = []
    context = {
        "ti": instance(asked, "success", return_value=RESULT, kling=RENDERING),
        "dag": DAG("films", schedule=None),
        "run_id": "manual__1",
    }
    tell(KlingNotifier(text=text), context)
    assert asked == wanted
    assert len(webhook.received) == 1


@pytest.mark.parametrize("base_url", ["", "/", "airflow.example"])
def test_an_address_without_a_host_is_left_out(
    base_url: str, webhook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", base_url)
    ti = instance(None, "success", return_value=RESULT)
    ti.log_url = "/dags/films/runs/manual__1/tasks/video"
    text = "Video: {{ kling.video }}\nGallery: {{ kling.gallery }}\nLog: {{ kling.log }}"
    tell(KlingNotifier(text=text), {"ti": ti})
    assert webhook.received[0]["text"] == "Video: None\nGallery: None\nLog: None"


@pytest.mark.parametrize(
    ("billing", "words"),
    [
        ([{"charge_type": "unit", "amount": "1.80", "currency": None}], "1.8 units"),
        ([{"charge_type": "unit", "amount": "1", "currency": "USD"}], "1 unit"),
        (
            [
                {"charge_type": "unit", "amount": "2", "currency": None},
                {"charge_type": "cash", "amount": "0.250", "currency": "CNY"},
            ],
            "2 units, 0.25 CNY",
        ),
        (
            [{"charge_type": "cash", "amount": "0.25", "currency": None}],
            "0.25 in a currency that Kling does not say",
        ),
        ([{"charge_type": "unit", "amount": "abc", "currency": None}], "an amount that cannot be read"),
    ],
    ids=repr,
)
def test_what_it_cost_in_words(billing: Any, words: str, webhook: Webhook) -> None:
    context = {"ti": instance(None, "success", return_value={**RESULT, "billing": billing})}
    tell(KlingNotifier(text="{{ kling.cost }}"), context)
    assert webhook.received[0]["text"] == words

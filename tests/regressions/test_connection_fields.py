# SPDX-License-Identifier: Apache-2.0
"""Fields of a connection that were dropped without a word: a path in a URI, a misspelt extra, an extra that is no JSON;
and a connection that does not exist."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from kling_provider.hooks.kling import KlingHook
from kling_provider.operators.kling import KlingGenerateOperator, KlingSubmitOperator
from kling_provider.sensors.kling import KlingTaskSensor
from tests.regressions.outcomes import RED_PANDA, connected, creates, outcome_of
from tests.regressions.renamed import AFTER_VIDEO
from tests.unit.instance import Instance

EXTRAS = ("region", "profile", "api", "namespace", "max_concurrency")


def address(monkeypatch: pytest.MonkeyPatch, uri: str) -> str:
    monkeypatch.setenv("AIRFLOW_CONN_KLING_TEST", uri)
    base_url: str = KlingHook("kling_test").connection.base_url
    return base_url


@pytest.mark.parametrize(
    ("uri", "wanted"),
    [
        ("kling://:key@www.dmxapi.cn/kling", "https://www.dmxapi.cn/kling"),
        ("kling://:key@www.dmxapi.cn/kling/", "https://www.dmxapi.cn/kling"),
        ("kling://:key@gateway.example:8443/a%2Fb", "https://gateway.example:8443/a/b"),
        ("kling://:key@gateway.example/a/b?profile=new-api", "https://gateway.example/a/b"),
        ("kling://:key@http%3A%2F%2F127.0.0.1:8080/kling", "http://127.0.0.1:8080/kling"),
    ],
)
def test_a_path_in_a_connection_uri_is_part_of_the_address(
    uri: str, wanted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert address(monkeypatch, uri) == wanted


@settings(max_examples=60, deadline=None)
@given(
    parts=st.lists(
        st.text("abcxyz0189-_.", min_size=1, max_size=8).filter(lambda part: part.strip(".")),
        min_size=1,
        max_size=3,
    )
)
def test_every_path_arrives(parts: list[str]) -> None:
    path = "/".join(parts)
    assume(path not in ("http", "https"))
    with pytest.MonkeyPatch.context() as patch:
        assert address(patch, f"kling://:key@host.example/{quote(path)}") == f"https://host.example/{path}"


def test_a_path_without_a_host_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    fields = {"conn_type": "kling", "password": "key", "schema": "kling"}
    outcome = outcome_of(lambda: address(monkeypatch, json.dumps(fields)))
    assert isinstance(outcome, AirflowFailException), outcome
    assert "schema is 'kling' and host is empty" in str(outcome)


@pytest.mark.parametrize(
    ("wrong", "near"),
    [
        ("profil", "profile"),
        ("Profile", "profile"),
        ("regions", "region"),
        ("name_space", "namespace"),
        ("max-concurrency", "max_concurrency"),
        ("concurrency", "max_concurrency"),
        ("extra__kling__profile", "profile"),
        ("proxys", "proxy"),
        ("time_out", "timeout"),
        ("verfiy", "verify"),
    ],
)
def test_a_misspelt_extra_is_no_header(wrong: str, near: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with connected(monkeypatch) as sandbox:
        connection = {"conn_type": "kling", "host": sandbox.url, "password": sandbox.api_key}
        extra = {"profile": "kling", wrong: "x"} if wrong != "profil" else {wrong: "kling"}
        monkeypatch.setenv("AIRFLOW_CONN_KLING_DEFAULT", json.dumps({**connection, "extra": extra}))
        outcome = outcome_of(
            lambda: KlingSubmitOperator(task_id="video", request=RED_PANDA).execute(Instance().context)
        )
        assert creates(sandbox) == 0, outcome
    assert isinstance(outcome, AirflowFailException), outcome
    assert f"extra {wrong!r} must be a known extra. Did you mean {near!r}?" in str(outcome)


@settings(max_examples=60, deadline=None)
@given(name=st.sampled_from(EXTRAS), data=st.data())
def test_one_letter_too_much_or_too_little_is_noticed(name: str, data: st.DataObject) -> None:
    assume(name != "api")  # three letters are near to too much
    where = data.draw(st.integers(0, len(name) - 1))
    wrong = data.draw(
        st.sampled_from([name[:where] + name[where + 1 :], name[:where] + name[where] + name[where:]])
    )
    with pytest.MonkeyPatch.context() as patch:
        fields = {"conn_type": "kling", "password": "key", "extra": {wrong: "x"}}
        patch.setenv("AIRFLOW_CONN_KLING_TEST", json.dumps(fields))
        outcome = outcome_of(lambda: KlingHook("kling_test").connection)
    assert isinstance(outcome, AirflowFailException), (wrong, outcome)
    assert f"Did you mean {name!r}?" in str(outcome)


@pytest.mark.parametrize("extra", ["profile=kling", '{"profile": "kling"', '["kling"]', '"kling"', "7"])
def test_an_extra_that_is_no_object_is_not_dropped(extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fields = {"conn_type": "kling", "password": "key", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_KLING_TEST", json.dumps(fields))
    outcome = outcome_of(lambda: KlingHook("kling_test").connection)
    assert isinstance(outcome, AirflowFailException), repr(outcome)
    assert "extra must be a JSON object" in str(outcome)


@pytest.mark.parametrize("value", [True, 2.7, "two", -1, "0", [2]])
def test_a_number_of_tasks_is_a_whole_number(value: object, monkeypatch: pytest.MonkeyPatch) -> None:
    fields = {"conn_type": "kling", "password": "key", "extra": {"max_concurrency": value}}
    monkeypatch.setenv("AIRFLOW_CONN_KLING_TEST", json.dumps(fields))
    outcome = outcome_of(lambda: KlingHook("kling_test").connection)
    assert isinstance(outcome, AirflowFailException), repr(outcome)
    assert "max_concurrency must be a whole number from 1" in str(outcome)


@pytest.mark.parametrize(
    ("name", "value", "near"),
    [("profile", "Kling", "kling"), ("api", "standart", "standard"), ("region", "China", "china")],
)
def test_a_word_that_is_not_offered_says_what_was_meant(
    name: str, value: str, near: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fields = {"conn_type": "kling", "password": "key", "extra": {name: value}}
    monkeypatch.setenv("AIRFLOW_CONN_KLING_TEST", json.dumps(fields))
    outcome = outcome_of(lambda: KlingHook("kling_test").connection)
    assert isinstance(outcome, AirflowFailException), repr(outcome)
    assert f"Did you mean {near!r}?" in str(outcome)


@pytest.mark.parametrize("conn_id", ["kling_prod", "kling default", "7"])
def test_a_connection_that_does_not_exist_fails_at_once_and_says_where_to_make_it(
    conn_id: str, metadata_db: object
) -> None:
    for task in (
        KlingSubmitOperator(task_id="video", request=RED_PANDA, kling_conn_id=conn_id),
        KlingGenerateOperator(task_id="video", request=RED_PANDA, kling_conn_id=conn_id),
        KlingTaskSensor(task_id="video", kling_task_id="1", kling_conn_id=conn_id),
        KlingTaskSensor(task_id="video", kling_task_id="1", kling_conn_id=conn_id, deferrable=False),
    ):
        outcome = outcome_of(lambda task=task: task.execute(Instance().context))  # type: ignore[misc]
        assert isinstance(outcome, AirflowFailException), repr(outcome)
        assert f"There is no connection {conn_id!r}" in str(outcome)
        assert "Admin, Connections" in str(outcome)
        assert "airflow connections add" in str(outcome)
    assert KlingHook(conn_id).test_connection() == (False, str(outcome))


def test_a_connection_that_went_away_while_kling_rendered_does_not_hide_the_task(
    monkeypatch: pytest.MonkeyPatch, metadata_db: object
) -> None:
    instance = Instance()
    operator = KlingGenerateOperator(task_id="video", request=RED_PANDA)
    with connected(monkeypatch):
        deferred = outcome_of(lambda: operator.execute(instance.context))
        kling_task_id = deferred.trigger.kling_task_id
        monkeypatch.delenv("AIRFLOW_CONN_KLING_DEFAULT")
        event = {"kling_task_id": kling_task_id, "status": "succeeded"}
        outcome = outcome_of(lambda: getattr(operator, AFTER_VIDEO)(instance.context, event))
    assert isinstance(outcome, AirflowFailException), repr(outcome)
    assert kling_task_id in str(outcome)
    assert "There is no connection 'kling_default'" in str(outcome)

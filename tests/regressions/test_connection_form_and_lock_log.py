# SPDX-License-Identifier: Apache-2.0
"""The form offered "null" and hid the port without which Airflow tests nothing; no log said that a host has no lock."""

from __future__ import annotations

import json
import logging
from collections import defaultdict
from types import SimpleNamespace
from typing import Any

import pytest

from kling_provider.get_provider_info import get_provider_info
from kling_provider.hooks.kling import KlingHook
from kling_provider.operators.kling import KlingGenerateOperator, KlingSubmitOperator
from tests.regressions.outcomes import RED_PANDA, connected, outcome_of
from tests.unit.instance import Instance


def form() -> Any:
    (connection,) = get_provider_info()["connection-types"]
    return connection


def test_no_choice_is_null() -> None:
    for name, field in form()["conn-fields"].items():
        assert None not in field["schema"].get("enum", []), name


def test_labels_are_short_and_the_port_is_shown() -> None:
    behaviour = form()["ui-field-behaviour"]
    assert all(len(label) <= 15 for label in behaviour["relabeling"].values()), behaviour["relabeling"]
    assert "port" not in behaviour["hidden-fields"]


@pytest.mark.parametrize(
    ("extra", "profile", "api"),
    [
        ({"profile": "automatic"}, "gateway", "legacy"),
        ({"api": "automatic"}, "gateway", "legacy"),
        ({"profile": "kling", "api": "automatic"}, "kling", "standard"),
        ({"profile": "automatic", "api": "automatic", "namespace": ""}, "gateway", "legacy"),
    ],
    ids=repr,
)
def test_automatic_is_what_nothing_is(
    extra: dict[str, str], profile: str, api: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fields = {"conn_type": "kling", "host": "https://gateway.example", "password": "key", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_KLING_TEST", json.dumps(fields))
    connection = outcome_of(lambda: KlingHook("kling_test").connection)
    assert not isinstance(connection, Exception), connection
    assert (connection.profile.name, connection.api) == (profile, api)


@pytest.mark.parametrize(
    ("extra", "why"),
    [
        (
            {},
            "127.0.0.1 is not a known host; if it is Kling under another name, set the extra profile to kling",
        ),
        ({"profile": "gateway"}, "the connection says so"),
        ({"profile": "automatic"}, "127.0.0.1 is not a known host"),
    ],
    ids=repr,
)
def test_a_task_log_says_once_that_nothing_protects_against_paying_twice(
    extra: dict[str, str], why: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with connected(monkeypatch, profile="gateway") as sandbox, caplog.at_level(logging.INFO):
        connection = {"conn_type": "kling", "host": sandbox.base_url, "password": sandbox.api_key}
        monkeypatch.setenv("AIRFLOW_CONN_KLING_DEFAULT", json.dumps({**connection, "extra": extra}))
        outcome_of(
            lambda: KlingSubmitOperator(task_id="video", request=RED_PANDA).execute(Instance().context)
        )
    said = [text for text in caplog.messages if "no lock against paying twice" in text]
    assert len(said) == 1, caplog.messages
    assert said[0].startswith("Profile gateway: no lock against paying twice for kling-3.0 (")
    assert why in said[0]


def test_where_kling_itself_has_no_lock_the_log_does_not_blame_the_connection(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    speech = {"type": "tts", "text": "Good morning", "voice_id": "oversea_male1", "voice_language": "en"}
    with connected(monkeypatch, profile="kling") as sandbox, caplog.at_level(logging.INFO):
        connection = {"conn_type": "kling", "host": sandbox.base_url, "password": sandbox.api_key}
        monkeypatch.setenv(
            "AIRFLOW_CONN_KLING_DEFAULT", json.dumps({**connection, "extra": {"profile": "kling"}})
        )
        made = outcome_of(
            lambda: KlingGenerateOperator(task_id="voice", request=speech).execute(
                {**Instance().context, "outlet_events": defaultdict(lambda: SimpleNamespace(extra={}))}
            )
        )
    assert not isinstance(made, BaseException), made
    [said] = [text for text in caplog.messages if "no lock against paying twice" in text]
    assert said == "Profile kling: no lock against paying twice for tts (Kling has none for it)."

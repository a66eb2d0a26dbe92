# SPDX-License-Identifier: Apache-2.0
"""Which URL Kling is to call, for which requests, and when polling slows down for it."""

from __future__ import annotations

import json
import logging
import time
from typing import Any

import pytest
from airflow.sdk import Connection

from kling_provider.api.parsing import parse_request
from kling_provider.compat import has_callbacks
from kling_provider.exceptions import KlingRequestError
from kling_provider.hooks.callback_settings import fill_callback_url, find_callback_url
from kling_provider.hooks.connection import KlingConnection
from kling_provider.identity import Identity
from kling_provider.polling.callback_pace import SLOW_PAUSE, CallbackPace

SECRET = "whsec_dGhlIHNlY3JldCBvZiBhIGNvbm5lY3Rpb24="
PUBLIC = "https://airflow.example.com"
OURS = f"{PUBLIC}/kling-callbacks/kling_default"

newest = pytest.mark.skipif(not has_callbacks(), reason="callbacks are off before Airflow 3.3")


def connection(host: str = "", conn_id: str = "kling_default", **extra: Any) -> KlingConnection:
    return KlingConnection.parse(
        Connection(
            conn_id=conn_id, conn_type="kling", host=host, password="a-key-of-tests", extra=json.dumps(extra)
        )
    )


@newest
@pytest.mark.parametrize(
    ("extra", "base_url", "expected"),
    [
        ({"webhook_secret": SECRET, "callback_base_url": PUBLIC}, "", OURS),
        (
            {"webhook_secret": SECRET, "callback_base_url": f"{PUBLIC}/air/ "},
            "",
            f"{PUBLIC}/air/kling-callbacks/kling_default",
        ),
        ({"webhook_secret": SECRET}, PUBLIC, OURS),
        ({"callback_base_url": PUBLIC}, PUBLIC, None),
        ({"webhook_secret": " "}, PUBLIC, None),
        *(
            ({"webhook_secret": SECRET}, only_here, None)
            for only_here in (
                "",
                "http://localhost:8080",
                "http://127.0.0.1:8080",
                "http://[::1]:8080",
                "http://10.1.2.3",
                "http://192.168.0.4:8080",
                "http://airflow-apiserver:8080",
                "http://airflow.team.svc.cluster.local",
                "http://[::1",
                "ftp://airflow.example.com",
            )
        ),
        (
            {"webhook_secret": SECRET, "callback_base_url": "http://127.0.0.1:8080"},
            "",
            "http://127.0.0.1:8080/kling-callbacks/kling_default",
        ),
    ],
)
def test_the_url_that_kling_calls(
    extra: dict[str, str], base_url: str, expected: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", base_url)
    assert find_callback_url(connection(**extra)) == expected


@pytest.mark.skipif(has_callbacks(), reason="from Airflow 3.3 on there are callbacks")
@pytest.mark.airflow_version
def test_before_airflow_3_3_there_are_no_callbacks() -> None:
    assert find_callback_url(connection(webhook_secret=SECRET, callback_base_url=PUBLIC)) is None


@pytest.mark.parametrize("secret", ["a-word", "whsec_=", "whsec_é", f"{SECRET} c2VjcmV0", "whsec_!!!"])
def test_a_secret_that_is_none_is_said_and_not_shown(secret: str) -> None:
    with pytest.raises(KlingRequestError, match="webhook_secret must be the Webhook Secret") as refused:
        connection(webhook_secret=secret)
    assert secret not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        "airflow.example.com",
        "ftp://airflow",
        "https://me:pass@airflow",
        "https://a/?b=c",
        "https://a b",
        "https://a:x",
    ],
)
def test_a_public_url_that_is_none_is_said(url: str) -> None:
    with pytest.raises(KlingRequestError, match="callback_base_url must be the public URL"):
        connection(callback_base_url=url)


@newest
@pytest.mark.parametrize(
    ("request_", "extra", "host", "expected"),
    [
        ({"prompt": "x"}, {}, "", OURS),
        ({"prompt": "x", "callback_url": "https://mine.example/cb"}, {}, "", "https://mine.example/cb"),
        ({"prompt": "x", "model": "kling-4.0"}, {}, "", None),
        ({"type": "text_to_audio", "prompt": "rain", "duration": 5}, {}, "", OURS),
        ({"type": "tts", "text": "hello", "voice_id": "v", "voice_language": "en"}, {}, "", None),
        ({"prompt": "x", "model": "kling-v2-5-turbo"}, {"profile": "new-api"}, "https://shop.example", None),
        (
            {"prompt": "x", "model": "kling-v2-5-turbo"},
            {"profile": "new-api", "namespace": "ours"},
            "https://shop.example",
            OURS,
        ),
    ],
)
def test_only_what_takes_a_callback_gets_one(
    request_: dict[str, Any], extra: dict[str, str], host: str, expected: str | None
) -> None:
    to = connection(host, webhook_secret=SECRET, callback_base_url=PUBLIC, **extra)
    request = parse_request(request_)
    filled = fill_callback_url(request, to)
    assert filled.callback_url == expected
    if expected is not None:
        body = to.find_dialect(filled).create(filled, None).json
        assert isinstance(body, dict)
        assert expected in (body.get("callback_url"), body.get("options", {}).get("callback_url"))


@newest
def test_the_url_is_no_part_of_what_is_paid_once() -> None:
    def identify(request: Any) -> str:
        ti = {"dag_id": "d", "task_id": "t", "run_id": "r", "map_index": -1}
        return Identity.of_request(request, pay_once_per="run", namespace="", images={}, **ti).key

    request = parse_request({"prompt": "x"})
    filled = fill_callback_url(request, connection(webhook_secret=SECRET, callback_base_url=PUBLIC))
    assert filled.callback_url == OURS
    assert identify(filled) == identify(request)


@newest
class TestPace:
    """Slow where callbacks came lately from the same connection and API design, until three did not come."""

    @pytest.fixture
    def marked(self, monkeypatch: pytest.MonkeyPatch) -> Any:
        def mark(design: str, ago: float) -> None:
            key = f"AIRFLOW_VAR_KLING_CALLBACKS:KLING_DEFAULT:{design.upper()}"
            monkeypatch.setenv(key, f"{time.time() - ago:.0f}")

        return mark

    async def test_without_a_mark_nothing_changes(self) -> None:
        pace = CallbackPace("kling_default")
        assert pace.find_least_pause("text_to_video") == 0
        await pace.refresh(connection(webhook_secret=SECRET))
        assert pace.find_least_pause("text_to_video") == 0

    async def test_a_mark_of_one_design_slows_that_design(self, marked: Any) -> None:
        marked("standard", 5)
        pace = CallbackPace("kling_default")
        await pace.refresh(connection(webhook_secret=SECRET))
        assert pace.find_least_pause("text_to_video") == SLOW_PAUSE
        assert pace.find_least_pause("text_to_audio") == 0, "the standard API has no path for it"
        await pace.refresh(connection(webhook_secret=SECRET, api="legacy"))
        assert pace.find_least_pause("text_to_video") == 0

    async def test_a_connection_without_callbacks_is_not_slowed(self, marked: Any) -> None:
        marked("standard", 5)
        pace = CallbackPace("kling_default")
        await pace.refresh(connection())
        assert pace.find_least_pause("text_to_video") == 0
        other = CallbackPace("kling_other")
        await other.refresh(connection(conn_id="kling_other", webhook_secret=SECRET))
        assert other.find_least_pause("text_to_video") == 0

    @pytest.mark.parametrize("ago", [3700, 86_400])
    async def test_an_old_mark_says_nothing(self, marked: Any, ago: float) -> None:
        marked("standard", ago)
        pace = CallbackPace("kling_default")
        await pace.refresh(connection(webhook_secret=SECRET))
        assert pace.find_least_pause("text_to_video") == 0

    async def test_three_ends_without_one_bring_the_normal_pace_back_and_a_new_one_the_slow(
        self, marked: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        marked("standard", 60)
        pace = CallbackPace("kling_default")
        await pace.refresh(connection(webhook_secret=SECRET))
        with caplog.at_level(logging.WARNING):
            for _ in range(2):
                pace.note_found_end("text_to_video")
            assert pace.find_least_pause("text_to_video") == SLOW_PAUSE
            assert not caplog.records
            for _ in range(20):
                pace.note_found_end("text_to_video")
        assert pace.find_least_pause("text_to_video") == 0
        assert [record.getMessage() for record in caplog.records] == [
            "Connection kling_default: 3 tasks of Kling's standard API have ended without a callback. Polling is back at "
            "its normal pace until the next callback comes."
        ]
        monkeypatch.setattr("kling_provider.polling.callback_pace.MARK_EVERY", 0.0)
        await pace.refresh(connection(webhook_secret=SECRET))
        assert pace.find_least_pause("text_to_video") == 0, "the same mark is no new callback"
        marked("standard", 0)
        await pace.refresh(connection(webhook_secret=SECRET))
        assert pace.find_least_pause("text_to_video") == SLOW_PAUSE

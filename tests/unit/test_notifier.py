# SPDX-License-Identifier: Apache-2.0
"""The message about a video, as a webhook gets it. That Airflow calls it is tested in tests/stack."""

from __future__ import annotations

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from kling_provider.api.catalog import add_spec_for_now
from kling_provider.exceptions import KlingModerationError
from kling_provider.notifications.kling import KlingNotifier
from tests.support.postcard_request import POSTCARD
from tests.support.webhook import Webhook

RESULT = {
    "name": "panda",
    "prompt": "A <b>red</b> panda & {{ var.value.secret }} <!channel>",
    "model": "kling-3.0",
    "adopted": False,
    "kling_task_id": "912",
    "status": "succeeded",
    "outputs": [
        {
            "file": "file:///videos/panda.mp4",
            "poster": "file:///videos/panda.mp4.jpg",
            "url": "https://x/?sig=s",
        }
    ],
    "billing": [{"charge_type": "unit", "amount": "3", "currency": None}],
}
JOB = {"state": "failed", "request": {"prompt": "A red panda", "name": "panda"}, "kling_task_id": "912"}


@pytest.fixture
def webhook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Webhook]:
    with Webhook() as webhook:
        connect(monkeypatch, webhook)
        yield webhook


def connect(monkeypatch: pytest.MonkeyPatch, webhook: Webhook) -> None:
    connection = json.dumps({"conn_type": "http", "host": webhook.address})
    monkeypatch.setenv("AIRFLOW_CONN_KLING_WEBHOOK", connection)
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.example")


def context(exception: BaseException | None = None, **xcoms: Any) -> Any:
    ti = SimpleNamespace(
        dag_id="films",
        run_id="manual__1",
        task_id="video",
        map_index=3,
        log_url="http://airflow/log",
        xcom_pull=lambda task_ids, key, map_indexes: xcoms.get(key),
    )
    return {"ti": ti, **({"exception": exception} if exception else {})}


def test_a_finished_video(webhook: Webhook) -> None:
    KlingNotifier()(context(return_value=RESULT, kling=JOB))
    [message] = webhook.received
    assert message["text"].splitlines()[:5] == [
        "Kling video done: panda",
        "A &lt;b&gt;red&lt;/b&gt; panda &amp; {{ var.value.secret }} &lt;!channel&gt;",
        "Cost: 3 units",
        "File: file:///videos/panda.mp4",
        "Image: https://airflow.example/kling/posters/films/manual__1/video/3/0",
    ]
    assert (
        "Gallery: https://airflow.example/plugin/kling-videos?dag_id=films&run_id=manual__1&task_id=video&map_index=3"
        in message["text"]
    )
    assert message["text"].endswith("Log: http://airflow/log")
    assert "sig=s" not in message["text"]


def test_without_a_gallery_the_posters_place(webhook: Webhook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airflow.__version__", "3.1.8")
    KlingNotifier()(context(return_value=RESULT))
    lines = webhook.received[0]["text"].splitlines()
    assert "Image: file:///videos/panda.mp4.jpg" in lines
    assert not any(line.startswith("Gallery") for line in lines)


def test_an_adopted_one_cost_nothing_now(webhook: Webhook) -> None:
    KlingNotifier(text="{{ kling.cost }}")(context(return_value={**RESULT, "adopted": True}))
    assert webhook.received[0]["text"] == "nothing now, paid earlier"


def made_of(*outputs: dict[str, Any], type: str, **more: Any) -> dict[str, Any]:
    return {**RESULT, "type": type, "outputs": list(outputs), **more}


def saved(type: str, file: str, **more: Any) -> dict[str, Any]:
    return {"type": type, "file": f"file:///videos/{file}", **more}


def lines_of(webhook: Webhook, result: dict[str, Any]) -> list[str]:
    with add_spec_for_now(POSTCARD):
        KlingNotifier()(context(return_value=result, kling=JOB))
    lines: list[str] = webhook.received[-1]["text"].splitlines()
    return lines


def test_several_outputs_are_told_in_words(webhook: Webhook) -> None:
    bill = [{"charge_type": "unit", "amount": "12.5", "currency": None, "package_type": "image"}]
    outputs = (saved("image", "a-0.png"), saved("image", "a-1.png"), saved("audio", "a-2.mp3"))
    lines = lines_of(webhook, made_of(*outputs, type="postcard", billing=bill))
    assert lines[0] == "Kling postcard done: panda"
    assert lines[2:6] == [
        "Made: 2 images and 1 sound",
        "Cost: 12.5 image units",
        "File: file:///videos/a-0.png and 2 more",
        "Image: https://airflow.example/kling/videos/films/manual__1/video/3/0",
    ]


def test_the_poster_of_a_large_image_is_shown(webhook: Webhook) -> None:
    outputs = (saved("audio", "a-0.mp3"), saved("image", "a-1.png", poster="file:///videos/a-1.png.jpg"))
    lines = lines_of(webhook, made_of(*outputs, type="postcard"))
    assert "Image: https://airflow.example/kling/posters/films/manual__1/video/3/1" in lines


@pytest.mark.parametrize(
    ("outputs", "made"),
    [
        ([{"type": "voice", "id": "v-1", "file": None}], "Made: voice v-1"),
        ([{"type": "element", "id": "e-1"}, {"type": "element", "id": "e-2"}], "Made: element e-1, element e-2"),
        ([{"type": "audio", "file": None}], "Made: sound"),
        ([{"type": "image", "id": "i-1"}, {"type": "session", "id": "<s>"}], "Made: 1 image and 1 session (session &lt;s&gt;)"),
    ],
)  # fmt: skip
def test_what_is_no_file_is_told_by_its_id(outputs: list[Any], made: str, webhook: Webhook) -> None:
    lines = lines_of(webhook, made_of(*outputs, type="of a later release"))
    assert lines[0] == "Kling result done: panda"
    assert made in lines
    assert not any(line.startswith(("File", "Image")) for line in lines)


def test_a_failure_says_why(webhook: Webhook) -> None:
    KlingNotifier()(context(KlingModerationError("Kling failed task 912: <risk>"), kling=JOB))
    lines = webhook.received[0]["text"].splitlines()
    assert lines[:2] == ["Kling video failed: panda", "Kling failed task 912: &lt;risk&gt;"]
    assert not any(line.startswith(("File", "Image", "Cost")) for line in lines)


def test_a_task_without_any_xcom(webhook: Webhook) -> None:
    KlingNotifier()(context(RuntimeError("killed")))
    assert webhook.received[0]["text"].startswith("Kling request failed: video\nkilled")


def test_the_users_own_words_and_keys(webhook: Webhook) -> None:
    notifier = KlingNotifier(
        text="{{ kling.model }} {{ ti.task_id }} {{ kling.video }}", payload={"channel": "#{{ ti.dag_id }}"}
    )
    notifier(context(return_value=RESULT))
    [message] = webhook.received
    assert message["channel"] == "#films"
    assert message["text"].startswith("kling-3.0 video ")
    assert message["text"].endswith("/kling/videos/films/manual__1/video/3/0")


@pytest.mark.parametrize("fault", ["refused", "nobody", "no connection"])
def test_a_message_that_cannot_be_sent_is_a_warning_without_the_address(
    fault: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], caplog: Any
) -> None:
    with Webhook(status=404) as webhook:
        if fault != "no connection":
            connect(monkeypatch, webhook)
        if fault == "refused":
            KlingNotifier()(context(return_value=RESULT))
    if fault != "refused":
        KlingNotifier()(context(return_value=RESULT))
    said = caplog.text + "".join(capfd.readouterr())
    assert "could not be sent" in said
    assert "s3cr3t" not in said

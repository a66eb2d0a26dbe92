# SPDX-License-Identifier: Apache-2.0
"""The links on a task instance read one XCom at most, and are empty where there is nothing to open."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from kling_provider import compat
from kling_provider.links import kling as links
from kling_provider.links.kling import KlingConsoleLink, KlingGalleryLink, KlingVideoLink

KEY = SimpleNamespace(
    dag_id="films", task_id="group.video", run_id="scheduled__2026-11-24T06:00:00+00:00", map_index=3
)
OPERATOR: Any = None


@pytest.fixture
def xcom(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    values: dict[str, Any] = {}
    from airflow.sdk.execution_time.xcom import XCom

    monkeypatch.setattr(XCom, "get_value", staticmethod(lambda ti_key, key: values.get(key)))
    return values


def link_of(link: Any) -> str:
    address: str = link.get_link(OPERATOR, ti_key=KEY)
    return address


def result(**output: Any) -> dict[str, Any]:
    return {"outputs": [{"type": "video", "file": None, "url": None, **output}]}


RUN = "scheduled__2026-11-24T06%3A00%3A00%2B00%3A00"


def test_a_saved_video_opens_from_the_api_server(xcom: dict[str, Any]) -> None:
    xcom["return_value"] = result(file="file:///videos/a.mp4", url="https://kling/a.mp4?sig")
    assert link_of(KlingVideoLink()) == f"/kling/videos/films/{RUN}/group.video/3/0"


@pytest.mark.parametrize(
    ("value", "address"),
    [
        (result(url="https://kling/a.mp4?sig"), "https://kling/a.mp4?sig"),
        (result(url="javascript:alert(1)"), ""),
        (result(), ""),
        ("912345", ""),
        (None, ""),
        ({"plan_only": True}, ""),
    ],
)
def test_a_video_that_is_not_saved_opens_at_kling(xcom: dict[str, Any], value: Any, address: str) -> None:
    xcom["return_value"] = value
    assert link_of(KlingVideoLink()) == address


def test_the_gallery_of_this_task_instance(monkeypatch: pytest.MonkeyPatch) -> None:
    query = f"dag_id=films&run_id={RUN}&task_id=group.video&map_index=3"
    assert link_of(KlingGalleryLink()) == f"/plugin/kling-videos?{query}"
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://example.com/airflow/")
    assert link_of(KlingGalleryLink()) == f"/airflow/plugin/kling-videos?{query}"


def test_without_a_gallery_links_alone(xcom: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airflow.__version__", "3.1.8")
    assert not compat.has_gallery()
    assert link_of(KlingGalleryLink()) == ""
    xcom["return_value"] = result(file="file:///videos/a.mp4", url="https://kling/a.mp4?sig")
    assert link_of(KlingVideoLink()) == "https://kling/a.mp4?sig"
    assert links.video_address("films", "r", "t", -1, 0) == ""


def test_klings_console() -> None:
    assert link_of(KlingConsoleLink()).startswith("https://")

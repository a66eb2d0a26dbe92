# SPDX-License-Identifier: Apache-2.0
"""The links on a task instance ask nobody, and are empty where there is nothing to open."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from kling_provider import compat
from kling_provider.links import kling as links
from kling_provider.links.kling import KlingConsoleLink, KlingGalleryLink, KlingResultLink
from kling_provider.operators.kling import KlingSubmitOperator

KEY = SimpleNamespace(
    dag_id="films", task_id="group.video", run_id="scheduled__2026-11-24T06:00:00+00:00", map_index=3
)


def link_of(link: Any, *outputs: dict[str, Any]) -> str:
    """The link after an operator has made ``outputs``."""
    operator: Any = SimpleNamespace(kling_outputs=outputs)
    address: str = link.get_link(operator, ti_key=KEY)
    return address


def output(**known: Any) -> dict[str, Any]:
    return {"type": "video", "file": None, "url": None, **known}


RUN = "scheduled__2026-11-24T06%3A00%3A00%2B00%3A00"


CARD = f"/plugin/kling-videos?dag_id=films&run_id={RUN}&task_id=group.video&map_index=3"


@pytest.mark.parametrize(
    ("outputs", "address"),
    [
        ([output(file="file:///videos/a.mp4", url="https://kling/a.mp4?sig")], f"{CARD}&play=1"),
        ([output(file="s3://bucket/a.mp4")], f"{CARD}&play=1"),
        ([output(url="https://kling/a.mp4?sig")], f"{CARD}&play=1"),
        ([output(), output(url="https://kling/b.mp4?sig")], f"{CARD}&play=1"),
        ([output(url="javascript:alert(1)")], ""),
        ([output()], ""),
        ([], ""),
    ],
)
def test_a_video_leads_to_its_card_which_plays(outputs: list[dict[str, Any]], address: str) -> None:
    """A link of Kling's own would stay in Airflow's database, and a file of the API server would play nowhere."""
    assert link_of(KlingResultLink(), *outputs) == address


def test_an_operator_that_has_made_nothing_has_no_video() -> None:
    """At a defer, at a failure, and on every KlingSubmitOperator: nothing is asked of Airflow."""
    submit = KlingSubmitOperator(task_id="video", request={"prompt": "A red panda"})
    assert KlingResultLink().get_link(submit, ti_key=KEY) == ""  # type: ignore[arg-type]


def test_the_gallery_of_this_task_instance(monkeypatch: pytest.MonkeyPatch) -> None:
    assert link_of(KlingGalleryLink()) == CARD
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://example.com/airflow/")
    assert link_of(KlingGalleryLink()) == f"/airflow{CARD}"


def test_without_a_gallery_links_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airflow.__version__", "3.1.8")
    assert not compat.has_gallery()
    assert link_of(KlingGalleryLink()) == ""
    saved = output(file="file:///videos/a.mp4", url="https://kling/a.mp4?sig")
    assert link_of(KlingResultLink(), saved) == "https://kling/a.mp4?sig"
    assert link_of(KlingResultLink(), output(file="file:///videos/a.mp4")) == ""
    assert links.build_file_url("films", "r", "t", -1, 0) == ""


def test_klings_console() -> None:
    assert link_of(KlingConsoleLink()).startswith("https://")

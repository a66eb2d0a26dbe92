# SPDX-License-Identifier: Apache-2.0
"""The gallery sent whoever pressed Play to wherever a task had written."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from fastapi.testclient import TestClient

from tests.regressions.gallery_world import RUN, gallery, needs_gallery, shown, world
from tests.unit.gallery.seeds import Seeds

__all__ = ["gallery", "shown", "world"]
pytestmark = needs_gallery

PATH = f"/kling/videos/ann_clips/{RUN}/video/0/0"


def unsaved(world: Seeds, link: str) -> None:
    world.instance("ann_clips", RUN, "video", 0)
    expires = (datetime.now(UTC) + timedelta(days=9)).isoformat()
    world.video("ann_clips", RUN, map_index=0, kling_task_id="k1", link=link, expires_at=expires)
    world.session.commit()


@pytest.mark.parametrize(
    "link",
    [
        "https://login.example.net/airflow?next=1",
        "http://v15-kling-fdl.klingai.com/plain.mp4",
        "https://klingai.com.example.net/v.mp4",
        "https://xklingai.com/v.mp4",
        "https://klingai.com@example.net/v.mp4",
        "https://user:word@klingai.com/v.mp4",
        "https://example.net/klingai.com/v.mp4",
        "https://example.net\\@klingai.com/v.mp4",
        "https://169.254.169.254/latest/meta-data",
    ],
)
def test_a_link_to_another_host_is_no_redirect(
    world: Seeds, gallery: Callable[[str], TestClient], link: str
) -> None:
    unsaved(world, link)
    answer = gallery("ann").get(PATH)
    assert answer.status_code == 404, f"sent to {answer.headers.get('location')}"
    [card] = gallery("ann").get("/kling/api/videos").json()["cards"]
    assert card["outputs"][0]["src"] is None


@pytest.mark.parametrize(
    "host", ["v15-kling-fdl.klingai.com", "v1-fdl.kechuangai.com", "V16-Kling-FDL.klingai.com"]
)
def test_klings_own_hosts_are_followed(world: Seeds, gallery: Callable[[str], TestClient], host: str) -> None:
    link = f"https://{host}/v.mp4?Signature=abc"
    unsaved(world, link)
    answer = gallery("ann").get(PATH)
    assert (answer.status_code, answer.headers.get("location")) == (307, link)

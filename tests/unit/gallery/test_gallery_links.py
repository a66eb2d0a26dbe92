# SPDX-License-Identifier: Apache-2.0
"""Where a browser is sent for a video at Kling: to the connection's own host, its media hosts, and configured ones."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.unit.gallery.conftest import RUN, As
from tests.unit.gallery.seeds import Seeds


@pytest.fixture(autouse=True)
def connections(monkeypatch: pytest.MonkeyPatch) -> None:
    made: dict[str, dict[str, Any]] = {
        "gateway": {"conn_type": "kling", "host": "https://gateway.example/kling", "password": "sk-1"},
        "reseller": {"conn_type": "kling", "host": "https://www.dmxapi.cn/kling", "password": "sk-2"},
        "sandbox": {"conn_type": "kling", "host": "http://127.0.0.1:7777", "password": "sk-3"},
        "other": {"conn_type": "http", "host": "https://evil.example", "password": "x"},
        "keyless": {"conn_type": "kling", "host": "https://gateway.example"},
    }
    for conn_id, connection in made.items():
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(connection))


def unsaved(seeds: Seeds, link: str, conn_id: str | None) -> None:
    seeds.instance("ann_clips", RUN, "video", 0)
    expires = (datetime.now(UTC) + timedelta(days=9)).isoformat()
    more = {"conn_id": conn_id} if conn_id else {}
    seeds.video("ann_clips", RUN, map_index=0, kling_task_id="k1", link=link, expires_at=expires, **more)
    seeds.session.commit()


@pytest.mark.parametrize(
    ("conn_id", "link", "followed"),
    [
        ("gateway", "https://gateway.example/v.mp4", True),
        ("gateway", "https://gateway.example:8443/v.mp4", True),
        ("gateway", "http://gateway.example/v.mp4", False),
        ("gateway", "https://cdn.gateway.example/v.mp4", False),
        ("gateway", "https://v15-kling-fdl.klingai.com/v.mp4", True),  # passed on from the vendor
        ("gateway", "https://abc.exp.bcevod.com/v.mp4", False),
        ("reseller", "https://abc.exp.bcevod.com/v.mp4", True),
        ("sandbox", "http://127.0.0.1:7777/media/v.mp4", True),
        ("sandbox", "http://127.0.0.1:8888/media/v.mp4", False),
        ("sandbox", "http://127.0.0.1/media/v.mp4", False),
        ("other", "https://evil.example/v.mp4", False),  # only connections of ours are trusted
        ("keyless", "https://gateway.example/v.mp4", False),
        ("nowhere", "https://v15-kling-fdl.klingai.com/v.mp4", True),
        (None, "https://v15-kling-fdl.klingai.com/v.mp4", True),
    ],
)
def test_hosts_of_a_connection(
    seeds: Seeds, as_user: As, conn_id: str | None, link: str, followed: bool
) -> None:
    unsaved(seeds, link, conn_id)
    ann = as_user("ann")
    [output] = ann.get("/kling/api/videos").json()["cards"][0]["outputs"]
    answer = ann.get(f"/kling/videos/ann_clips/{RUN}/video/0/0")
    if followed:
        assert output["place"] == "kling"
        assert (answer.status_code, answer.headers["location"]) == (307, link)
        assert ann.head(f"/kling/{output['src']}").status_code == 307
        return
    assert (output["place"], output["src"], answer.status_code) == ("unlisted", None, 404)
    assert "[kling] media_hosts" in output["why"]
    # It can be copied by who may read the Dag, and stands nowhere else.
    assert link not in ann.get("/kling/api/videos").text
    copied = ann.get(f"/kling/links/ann_clips/{RUN}/video/0/0")
    assert (copied.status_code, copied.text) == (200, link)
    assert copied.headers["content-type"].startswith("text/plain")


@pytest.mark.parametrize(
    ("setting", "followed"),
    [
        ("videos.reseller.example", True),
        ("reseller.example", True),
        ("*.reseller.example", True),
        (" a.example,\n VIDEOS.reseller.example ", True),
        ("seller.example", False),
        ("*", False),
        ("", False),
    ],
)
def test_an_administrator_can_add_hosts(
    seeds: Seeds, as_user: As, monkeypatch: pytest.MonkeyPatch, setting: str, followed: bool
) -> None:
    monkeypatch.setenv("AIRFLOW__KLING__MEDIA_HOSTS", setting)
    unsaved(seeds, "https://videos.reseller.example/v.mp4", "gateway")
    answer = as_user("ann").get(f"/kling/videos/ann_clips/{RUN}/video/0/0")
    assert answer.status_code == (307 if followed else 404)


def test_a_link_is_for_who_may_read_the_dag(seeds: Seeds, as_user: As) -> None:
    expires = (datetime.now(UTC) + timedelta(days=9)).isoformat()
    seeds.instance("bob_clips", RUN, "video", 0)
    seeds.video(
        "bob_clips", RUN, map_index=0, kling_task_id="k1", link="https://a.example/v.mp4", expires_at=expires
    )
    seeds.session.commit()
    path = f"/kling/links/bob_clips/{RUN}/video/0/0"
    assert as_user(None).get(path).status_code == 401
    assert as_user("ann").get(path).status_code == 403
    assert as_user("root").get(path).text == "https://a.example/v.mp4"


@pytest.mark.slow
def test_without_its_result_there_is_no_link(seeds: Seeds, as_user: As) -> None:
    """The XCom was cleared, or is of another Kling task."""
    expires = (datetime.now(UTC) + timedelta(days=9)).isoformat()
    seeds.video("ann_clips", RUN, map_index=0, kling_task_id="k1", expires_at=expires)
    seeds.instance("ann_clips", RUN, "video", 0)
    other = {"kling_task_id": "k2", "outputs": [{"url": "https://v15-kling-fdl.klingai.com/v.mp4"}]}
    seeds.xcom("ann_clips", RUN, "video", 0, "return_value", other)
    seeds.session.commit()
    [output] = as_user("ann").get("/kling/api/videos").json()["cards"][0]["outputs"]
    assert (output["place"], output["src"]) == ("kling", None)
    assert "clear" in output["why"]
    assert as_user("ann").get(f"/kling/links/ann_clips/{RUN}/video/0/0").status_code == 404


def test_a_page_reads_each_connection_once(
    seeds: Seeds, as_user: As, monkeypatch: pytest.MonkeyPatch
) -> None:
    """24 reads of the database were most of what a page of unsaved videos cost."""
    from airflow.models.connection import Connection

    read = Connection.get_connection_from_secrets
    asked: list[str] = []

    def counted(conn_id: str) -> Connection:
        asked.append(conn_id)
        return read(conn_id)

    monkeypatch.setattr(Connection, "get_connection_from_secrets", counted)
    for number in range(6):
        conn_id = ("gateway", "reseller")[number % 2]
        seeds.instance("ann_clips", RUN, "video", number)
        seeds.video(
            "ann_clips",
            RUN,
            map_index=number,
            kling_task_id=f"k{number}",
            link="https://gateway.example/v",
            conn_id=conn_id,
        )
    seeds.session.commit()
    assert len(as_user("ann").get("/kling/api/videos").json()["cards"]) == 6
    assert sorted(asked) == ["gateway", "reseller"]

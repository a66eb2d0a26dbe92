# SPDX-License-Identifier: Apache-2.0
"""The gallery served what lay under a name at the last moment, not the file that it had checked."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from tests.regressions.gallery_world import RUN, VIDEO, answer_of, gallery, needs_gallery, shown, world
from tests.unit.gallery.seeds import Seeds, beside, keep_place, says_whose

__all__ = ["gallery", "shown", "world"]
pytestmark = needs_gallery

SECRET = b"[database]\nsql_alchemy_conn = postgresql://airflow:the-password@db/airflow\n" * 40
Swap = Callable[[Path, Path], None]


def by_a_link(path: Path, secret: Path) -> None:
    path.unlink()
    path.symlink_to(secret)


def by_a_rename(path: Path, secret: Path) -> None:
    secret.replace(path)


def by_a_link_in_the_place_of_its_folder(path: Path, secret: Path) -> None:
    (secret.parent / path.name).write_bytes(secret.read_bytes())
    path.parent.rename(path.parent.with_name("aside"))
    path.parent.symlink_to(secret.parent)


SWAPS = pytest.mark.parametrize(
    "swap", [by_a_link, by_a_rename, by_a_link_in_the_place_of_its_folder], ids=lambda swap: swap.__name__
)


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "airflow" / "airflow.cfg"
    path.parent.mkdir()
    path.write_bytes(SECRET)
    return path


def saved(world: Seeds, name: str = "films/kite.mp4", **more: str) -> Path:
    file = {**world.saved(name, "k1", VIDEO), **more}
    world.video("ann_clips", RUN, map_index=0, kling_task_id="k1", name="kite", files=[file])
    world.session.commit()
    return Path(file["file"].removeprefix("file://"))


@SWAPS
def test_a_video_that_is_swapped_between_check_and_answer(
    world: Seeds, gallery: Callable[[str], TestClient], secret: Path, swap: Swap
) -> None:
    path = saved(world)
    status, body = answer_of(
        gallery("ann"), f"/kling/videos/ann_clips/{RUN}/video/0/0", lambda: swap(path, secret)
    )
    assert (status, body) == (200, VIDEO)


@SWAPS
def test_a_poster_that_is_swapped_between_check_and_answer(
    world: Seeds, gallery: Callable[[str], TestClient], secret: Path, swap: Swap
) -> None:
    image = b"\xff\xd8\xff\xe0 a picture" + bytes(3000)
    poster = world.folder / "films" / "kite.mp4.jpg"
    saved(world, poster=f"file://{poster}")
    poster.write_bytes(image)
    status, body = answer_of(
        gallery("ann"), f"/kling/posters/ann_clips/{RUN}/video/0/0", lambda: swap(poster, secret)
    )
    assert (status, body) == (200, image)


def test_a_part_of_a_video_that_is_swapped(
    world: Seeds, gallery: Callable[[str], TestClient], secret: Path
) -> None:
    path = saved(world)
    status, body = answer_of(
        gallery("ann"),
        f"/kling/videos/ann_clips/{RUN}/video/0/0",
        lambda: by_a_link(path, secret),
        headers={"range": "bytes=10-19"},
    )
    assert (status, body) == (206, VIDEO[10:20])


@pytest.mark.parametrize("what", ["videos", "posters"])
def test_a_head_says_what_a_get_would(world: Seeds, gallery: Callable[[str], TestClient], what: str) -> None:
    poster = world.folder / "films" / "kite.mp4.jpg"
    saved(world, poster=f"file://{poster}")
    poster.write_bytes(b"\xff\xd8\xff\xe0" + bytes(len(VIDEO) - 4))
    head = gallery("ann").head(f"/kling/{what}/ann_clips/{RUN}/video/0/0")
    assert head.status_code == 200
    assert head.headers["content-length"] == str(len(VIDEO))
    assert head.content == b""
    part = gallery("ann").head(f"/kling/{what}/ann_clips/{RUN}/video/0/0", headers={"Range": "bytes=0-9"})
    assert (part.status_code, part.headers["content-length"]) == (206, "10")


@pytest.mark.parametrize("name", ["kite.mp4", "Drachen über Köln.mp4", 'a "b"; c.mp4'])
def test_a_download_has_the_name_of_its_file(
    world: Seeds, gallery: Callable[[str], TestClient], name: str
) -> None:
    from email.message import Message

    saved(world, f"films/{name}")
    answer = gallery("ann").get(f"/kling/videos/ann_clips/{RUN}/video/0/0")
    assert answer.status_code == 200
    said = Message()
    said["Content-Disposition"] = answer.headers.get("content-disposition", "")
    assert said.get_filename() == name


@pytest.mark.parametrize(
    "sidecar",
    ["[" * 500_000, '{"a":' * 100_000, '{"kling_task_id": ' + "[" * 5_000 + "]" * 5_000 + "}"],
    ids=["brackets", "braces", "an id in brackets"],
)
def test_a_sidecar_of_brackets_is_none(
    world: Seeds, gallery: Callable[[str], TestClient], sidecar: str
) -> None:
    path = saved(world)
    beside(path).write_text(sidecar)
    assert gallery("ann").get(f"/kling/videos/ann_clips/{RUN}/video/0/0").status_code == 404


def test_a_place_that_is_kept_for_a_video_is_no_video(
    world: Seeds, gallery: Callable[[str], TestClient]
) -> None:
    path = saved(world)
    keep_place(path)
    os.truncate(path, 0)
    answer = gallery("ann").get("/kling/api/videos")
    assert answer.status_code == 200
    [card] = answer.json()["cards"]
    assert [output["place"] for output in card["outputs"]] == ["missing"]


def test_a_file_that_a_newer_video_replaced_plays_from_kling(
    world: Seeds, gallery: Callable[[str], TestClient]
) -> None:
    from datetime import UTC, datetime, timedelta

    link = "https://v15-kling-fdl.klingai.com/old.mp4?sign=abc"
    file = world.saved("kite.mp4", "k1", VIDEO)
    world.instance("ann_clips", RUN, "video", 0)
    world.video(
        "ann_clips", RUN, map_index=0, kling_task_id="k1", files=[file], link=link,
        expires_at=(datetime.now(UTC) + timedelta(days=9)).isoformat(),
    )  # fmt: skip
    world.session.commit()
    newer = VIDEO + b"newer"
    path = Path(file["file"].removeprefix("file://"))
    path.write_bytes(newer)
    says_whose(path, "k2", hashlib.sha256(newer).hexdigest(), version=1, identity="af-2")
    ann = gallery("ann")
    [card] = ann.get("/kling/api/videos").json()["cards"]
    assert card["outputs"][0]["src"], "nothing plays it"
    answer = ann.get(f"/kling/{card['outputs'][0]['src']}")
    assert (answer.status_code, answer.headers.get("location")) == (307, link)

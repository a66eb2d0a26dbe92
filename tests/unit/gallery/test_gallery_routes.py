# SPDX-License-Identifier: Apache-2.0
"""What the gallery gives to whom: who may see a list and a file, and which files are files of ours."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.unit.gallery.conftest import RUN, As
from tests.unit.gallery.seeds import Seeds, beside, says_whose
from tests.unit.gallery.server import status_of

VIDEO = bytes(range(256)) * 40


def address(
    what: str = "videos",
    dag: str = "ann_clips",
    run: str = RUN,
    task: str = "video",
    index: Any = 0,
    n: Any = 0,
) -> str:
    return f"/kling/{what}/" + "/".join(quote(str(part), safe="") for part in (dag, run, task, index, n))


def one_video(seeds: Seeds, dag_id: str = "ann_clips", **more: Any) -> dict[str, Any]:
    file = {**seeds.saved(f"{dag_id}.mp4", "k1", VIDEO), **more.pop("file", {})}
    seeds.instance(dag_id, RUN, "video", 0)
    seeds.video(dag_id, RUN, map_index=0, kling_task_id="k1", files=[file], **more)
    seeds.session.commit()
    return file


def test_without_a_session_nothing_is_answered(seeds: Seeds, as_user: As) -> None:
    one_video(seeds)
    nobody = as_user(None)
    for path in (
        "/kling/api/videos",
        "/kling/api/changes?since=0",
        "/kling/api/choices",
        f"/kling/api/runs/ann_clips/{quote(RUN, safe='')}/total",
        address(),
        address("posters"),
    ):
        assert nobody.get(path).status_code == 401, path
    assert status_of(nobody, address(run="..")) == 401


def test_files_of_another_dag_are_forbidden(seeds: Seeds, as_user: As) -> None:
    one_video(seeds, "bob_clips")
    assert as_user("ann").get(address(dag="bob_clips")).status_code == 403
    assert as_user("ann").get(address("posters", dag="bob_clips")).status_code == 403
    assert as_user("ann").get(f"/kling/api/runs/bob_clips/{quote(RUN, safe='')}/total").status_code == 403
    assert as_user("root").get(address(dag="bob_clips")).content == VIDEO


def test_lists_leave_out_what_one_may_not_read(seeds: Seeds, as_user: As) -> None:
    one_video(seeds, "ann_clips", model="ann-model")
    seeds.video("bob_clips", RUN, kling_task_id="k2", model="bob-model")
    seeds.job("bob_clips", RUN, "other", kling_task_id="k3")
    seeds.session.commit()
    ann = as_user("ann")
    for path in ("/kling/api/videos", "/kling/api/changes?since=0"):
        assert [card["dag_id"] for card in ann.get(path).json()["cards"]] == ["ann_clips"]
        assert ann.get(path, params={"dag_id": "bob_clips", "since": 0}).json()["cards"] == []
    assert ann.get("/kling/api/choices").json() == {
        "dags": ["ann_clips"],
        "types": ["text_to_video"],
        "models": ["ann-model"],
    }
    everything = as_user("root").get("/kling/api/videos").json()["cards"]
    assert {card["kling_task_id"] for card in everything} == {"k1", "k2", "k3"}


def test_a_video_is_served_whole_and_in_ranges(seeds: Seeds, as_user: As) -> None:
    one_video(seeds)
    ann = as_user("ann")
    whole = ann.get(address())
    assert (whole.status_code, whole.content, whole.headers["content-type"]) == (200, VIDEO, "video/mp4")
    assert whole.headers["accept-ranges"] == "bytes"
    assert whole.headers["x-content-type-options"] == "nosniff"
    assert "private" in whole.headers["cache-control"]
    part = ann.get(address(), headers={"Range": "bytes=100-299"})
    assert (part.status_code, part.content) == (206, VIDEO[100:300])
    assert part.headers["content-range"] == f"bytes 100-299/{len(VIDEO)}"
    end = ann.get(address(), headers={"Range": "bytes=-10"})
    assert (end.status_code, end.content) == (206, VIDEO[-10:])
    assert ann.get(address(), headers={"Range": f"bytes={len(VIDEO)}-"}).status_code == 416


@pytest.mark.parametrize("part", ["dag", "run", "task", "index", "n"])
@pytest.mark.parametrize("dots", ["..", ".", "%2e%2e"])
def test_dots_in_any_part_find_nothing(seeds: Seeds, as_user: As, part: str, dots: str) -> None:
    one_video(seeds)
    values = {"dag": "ann_clips", "run": RUN, "task": "video", "index": "0", "n": "0", part: dots}
    for user in ("ann", "root"):
        for what in ("videos", "posters"):
            assert status_of(as_user(user), f"/kling/{what}/" + "/".join(values.values())) == 404


def test_what_was_never_recorded_is_not_found(seeds: Seeds, as_user: As) -> None:
    one_video(seeds)
    ann = as_user("ann")
    for path in (address(run="other"), address(task="other"), address(index=1), address(n=1), address(n=-1)):
        assert ann.get(path).status_code == 404, path


def outside(file: dict[str, Any], shown: Path) -> dict[str, Any]:
    """The same video, in a folder that is not allowed."""
    return moved(file, shown.parent / "hidden" / "film.mp4")


def through_dots(file: dict[str, Any], shown: Path) -> dict[str, Any]:
    moved(file, shown.parent / "hidden" / "film.mp4")
    return {"file": f"file://{shown}/../hidden/film.mp4"}


def symlink_outside(file: dict[str, Any], shown: Path) -> dict[str, Any]:
    elsewhere = moved(file, shown.parent / "hidden" / "film.mp4")["file"].removeprefix("file://")
    link = shown / "link.mp4"
    link.symlink_to(elsewhere)
    beside(link).symlink_to(beside(Path(elsewhere)))
    return {"file": f"file://{link}"}


def folder_link_outside(file: dict[str, Any], shown: Path) -> dict[str, Any]:
    moved(file, shown.parent / "hidden" / "film.mp4")
    (shown / "folder").symlink_to(shown.parent / "hidden")
    return {"file": f"file://{shown}/folder/film.mp4"}


def ring_of_links(file: dict[str, Any], shown: Path) -> dict[str, Any]:
    (shown / "ring.mp4").symlink_to(shown / "ring.mp4")
    return {"file": f"file://{shown}/ring.mp4"}


def changed(file: dict[str, Any], shown: Path) -> dict[str, Any]:
    """As long as before, so that only the bytes say it."""
    path(file).write_bytes(VIDEO[:-1] + b"x")
    return file


def changed_with_its_manifest(file: dict[str, Any], shown: Path) -> dict[str, Any]:
    """Somebody else's video and manifest, right in themselves, under the recorded name."""
    other = VIDEO[::-1]
    path(file).write_bytes(other)
    says_whose(path(file), "k1", hashlib.sha256(other).hexdigest())
    return file


def manifest_of_another_task(file: dict[str, Any], shown: Path) -> dict[str, Any]:
    manifest = beside(path(file))
    manifest.write_text(manifest.read_text().replace("k1", "k2"))
    return file


def no_manifest(file: dict[str, Any], shown: Path) -> dict[str, Any]:
    beside(path(file)).unlink()
    return file


def a_manifest_that_is_none(file: dict[str, Any], shown: Path) -> dict[str, Any]:
    beside(path(file)).write_text("[1, 2]")
    return file


def gone(file: dict[str, Any], shown: Path) -> dict[str, Any]:
    path(file).unlink()
    return file


def a_folder(file: dict[str, Any], shown: Path) -> dict[str, Any]:
    return {"file": f"file://{shown}"}


def not_a_video(file: dict[str, Any], shown: Path) -> dict[str, Any]:
    """A page would run in the browser with the user's session."""
    return moved(file, shown / "page.html")


def a_zero_byte(file: dict[str, Any], shown: Path) -> dict[str, Any]:
    return {"file": f"file://{shown}/a\0b.mp4"}


@pytest.mark.parametrize(
    "spoil",
    [
        outside,
        through_dots,
        symlink_outside,
        folder_link_outside,
        ring_of_links,
        changed,
        changed_with_its_manifest,
        manifest_of_another_task,
        no_manifest,
        a_manifest_that_is_none,
        gone,
        a_folder,
        not_a_video,
        a_zero_byte,
    ],
    ids=lambda spoil: spoil.__name__,
)
def test_only_the_saved_file_in_an_allowed_folder_is_served(
    seeds: Seeds, settings: Path, as_user: As, spoil: Callable[..., dict[str, Any]]
) -> None:
    file = seeds.saved("film.mp4", "k1", VIDEO)
    file = {**file, **spoil(file, settings)}
    seeds.video("ann_clips", RUN, map_index=0, kling_task_id="k1", files=[file])
    seeds.session.commit()
    answer = as_user("ann").get(address())
    assert answer.status_code == 404
    assert answer.json()["detail"]


def test_a_link_within_the_allowed_folder_is_fine(seeds: Seeds, settings: Path, as_user: As) -> None:
    file = seeds.saved("real/film.mp4", "k1", VIDEO)
    (settings / "latest").symlink_to(settings / "real")
    file["file"] = f"{settings}/latest/film.mp4"  # a bare path is a local one as well
    seeds.video("ann_clips", RUN, map_index=0, kling_task_id="k1", files=[file])
    seeds.session.commit()
    assert as_user("ann").get(address()).content == VIDEO


def test_a_file_that_changes_after_it_was_shown_is_shown_no_more(seeds: Seeds, as_user: As) -> None:
    file = one_video(seeds)
    ann = as_user("ann")
    assert ann.get(address()).status_code == 200
    times = path(file).stat()
    path(file).write_bytes(VIDEO[::-1])
    os.utime(path(file), ns=(times.st_atime_ns, times.st_mtime_ns))  # same size, same time of change
    assert ann.get(address()).status_code == 404


def test_who_may_speak_for_a_dag_is_airflows_record_alone(seeds: Seeds, as_user: As) -> None:
    """Ann's task writes into its event that it were bob's; and an event from the API has no source at all."""
    file = seeds.saved("bob.mp4", "k1", VIDEO)
    seeds.video(
        "ann_clips", RUN, map_index=0, kling_task_id="k1", files=[file], claims={"dag_id": "bob_clips"}
    )
    seeds.session.commit()
    ann, root = as_user("ann"), as_user("root")
    assert [card["dag_id"] for card in ann.get("/kling/api/videos").json()["cards"]] == ["ann_clips"]
    assert ann.get(address(dag="bob_clips")).status_code == 403
    assert root.get(address(dag="bob_clips")).status_code == 404
    seeds.event_from_the_api("kling://ann_clips/video", {"kling_task_id": "k9", "files": [file]})
    seeds.session.commit()
    assert [card["key"] for card in root.get("/kling/api/videos").json()["cards"]] == ["k1"]


def test_unsaved_videos_come_from_kling_until_the_link_dies(seeds: Seeds, as_user: As) -> None:
    now = datetime.now(UTC)
    link = "https://v15-kling-fdl.klingai.com/v.mp4?sign=abc"
    for index, days in enumerate((10, -1)):
        seeds.instance("ann_clips", RUN, "video", index)
        expires = (now + timedelta(days=days)).isoformat()
        seeds.video(
            "ann_clips", RUN, map_index=index, kling_task_id=f"k{index}", link=link, expires_at=expires
        )
    seeds.session.commit()
    ann = as_user("ann")
    alive = ann.get(address(index=0))
    assert (alive.status_code, alive.headers["location"]) == (307, link)
    assert ann.get(address(index=1)).status_code == 404
    cards = {card["kling_task_id"]: card for card in ann.get("/kling/api/videos").json()["cards"]}
    assert cards["k0"]["outputs"][0]["place"] == "kling"
    assert cards["k1"]["outputs"][0] == {
        "kind": "video", "noun": "video", "media_type": "video/mp4", "place": "expired", "why": None, "address": None,
        "src": None, "poster": None, "id": None, "facts": {}, "seconds": None, "bytes": None, "images": [],
    }  # fmt: skip
    assert "sign=" not in ann.get("/kling/api/videos").text


def test_a_link_is_followed_to_the_web_only(seeds: Seeds, as_user: As) -> None:
    seeds.instance("ann_clips", RUN, "video", 0)
    expires = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    seeds.video(
        "ann_clips", RUN, map_index=0, kling_task_id="k1", link="javascript:alert(1)", expires_at=expires
    )
    seeds.session.commit()
    assert as_user("ann").get(address()).status_code == 404


def test_a_card_says_where_its_file_is(seeds: Seeds, settings: Path, as_user: As) -> None:
    past = (datetime.now(UTC) - timedelta(days=1)).isoformat()
    places = {
        "here": seeds.saved("here.mp4", "k", VIDEO),
        "elsewhere": {"file": "s3://bucket/film.mp4", "type": "video", "sha256": "x", "bytes": 3},
        "missing": {"file": f"{settings}/gone.mp4", "type": "video", "sha256": "x", "bytes": 3},
        "outside": {"file": "/mnt/other/film.mp4", "type": "video", "sha256": "x", "bytes": 3},
        "changed": {**seeds.saved("changed.mp4", "k", VIDEO), "bytes": 3},
    }
    for index, (place, file) in enumerate(places.items()):
        seeds.video("ann_clips", RUN, map_index=index, kling_task_id=place, files=[file], expires_at=past)
    seeds.session.commit()
    cards = as_user("ann").get("/kling/api/videos").json()["cards"]
    found = {card["key"]: card["outputs"][0] for card in cards}
    assert {key: output["place"] for key, output in found.items()} == {place: place for place in places}
    assert {key for key, output in found.items() if output["src"]} == {"here"}
    assert found["elsewhere"]["address"] == "s3://bucket/film.mp4"
    assert "[kling] gallery_roots" in found["outside"]["why"]
    assert str(settings) in found["outside"]["why"]


def test_a_subtitle_file_is_here_and_is_served_as_text(seeds: Seeds, settings: Path, as_user: As) -> None:
    text = "1\n00:00:00,000 --> 00:00:01,000\n红熊猫\n".encode()
    file = {**seeds.saved("film.srt", "k1", text), "type": "srt"}
    seeds.video("ann_clips", RUN, map_index=0, kling_task_id="k1", files=[file])
    seeds.session.commit()
    ann = as_user("ann")
    [output] = ann.get("/kling/api/videos").json()["cards"][0]["outputs"]
    assert (output["kind"], output["place"], output["media_type"]) == ("srt", "here", "text/plain")
    answer = ann.get(f"/kling/{output['src']}")
    assert (answer.status_code, answer.content) == (200, text)
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"


def test_a_saved_file_of_another_format_is_not_called_changed(
    seeds: Seeds, settings: Path, as_user: As
) -> None:
    past = (datetime.now(UTC) - timedelta(days=1)).isoformat()
    file = {**seeds.saved("film.splat", "k1", b"points"), "type": "splat"}
    seeds.video("ann_clips", RUN, map_index=0, kling_task_id="k1", files=[file], expires_at=past)
    seeds.session.commit()
    ann = as_user("ann")
    [output] = ann.get("/kling/api/videos").json()["cards"][0]["outputs"]
    assert (output["place"], output["media_type"], output["src"]) == ("unserved", None, None)
    assert output["why"] == "The gallery does not open files of the format of film.splat."
    answer = ann.get(address())
    assert (answer.status_code, answer.json()["detail"]) == (404, output["why"])


def test_without_the_setting_the_default_folder_is_shown(
    seeds: Seeds, as_user: As, airflow_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AIRFLOW__KLING__GALLERY_ROOTS")
    one_video(seeds)
    detail = as_user("ann").get(address()).json()["detail"]
    assert "[kling] gallery_roots" in detail
    assert f"{airflow_home}/kling-videos" in detail


def test_posters_are_images_beside_a_saved_video(seeds: Seeds, settings: Path, as_user: As) -> None:
    image_file = settings / "ann_clips.mp4.jpg"
    image_file.write_bytes(b"\xff\xd8 picture")
    file = one_video(seeds, file={"poster": f"file://{image_file}"})
    ann = as_user("ann")
    answer = ann.get(address("posters"))
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg")
    [card] = ann.get("/kling/api/videos").json()["cards"]
    assert ann.get(f"/kling/{card['outputs'][0]['poster']}").content == image_file.read_bytes()
    manifest_of_another_task(file, settings)
    assert ann.get(address("posters")).status_code == 404


@pytest.mark.parametrize(
    "poster", [None, "/etc/passwd", "{shown}/ann_clips.kling.json", "{shown}/sub/p.jpg", "s3://b/p.jpg"]
)
def test_no_other_file_is_a_poster(seeds: Seeds, settings: Path, as_user: As, poster: str | None) -> None:
    (settings / "sub").mkdir()
    (settings / "sub" / "p.jpg").write_bytes(b"\xff\xd8")
    one_video(seeds, file={"poster": poster and poster.format(shown=settings)})
    assert as_user("ann").get(address("posters")).status_code == 404


def test_the_browsers_part_is_served(as_user: As) -> None:
    for name, kind in (("gallery.js", "javascript"), ("gallery.css", "css"), ("video.svg", "svg")):
        answer = as_user(None).get(f"/kling/static/{name}")
        assert answer.status_code == 200
        assert kind in answer.headers["content-type"]
    for path in ("../app.py", "%2e%2e/app.py", "..%2fapp.py", "/etc/passwd"):
        assert status_of(as_user("ann"), f"/kling/static/{path}") == 404, path


def path(file: dict[str, Any]) -> Path:
    return Path(file["file"].removeprefix("file://"))


def moved(file: dict[str, Any], to: Path) -> dict[str, Any]:
    to.parent.mkdir(exist_ok=True)
    beside(path(file)).rename(beside(to))
    path(file).rename(to)
    return {"file": f"file://{to}"}

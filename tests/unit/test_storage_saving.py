# SPDX-License-Identifier: Apache-2.0
"""Saving on local disk, from a host that cuts, expires, redirects and lies."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kling_provider.api.codes import TaskState
from kling_provider.api.tasks import KlingTask
from kling_provider.exceptions import (
    KlingServerError,
    KlingTaskNotFound,
)
from kling_provider.storage import choose_place, find_saved_result
from tests.unit.storage_stand_ins import (
    SAVED,
    SECRET,
    Host,
    cut,
    finished,
    make_video,
    manifest,
    names,
    origin,
    place,
    redirect,
    running_host,
    save,
    silent_cut,
    stalled,
    stating,
    status,
    whole,
)

pytestmark = pytest.mark.usefixtures("no_pauses")


def chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def told(error: BaseException) -> str:
    """The text, after a look that nothing behind it shows a signed link."""
    for one in chain(error):
        assert "s3cr3t" not in f"{one} {one!r} {one.args}"
    return str(error)


@pytest.mark.airflow_version
def test_a_video_and_its_manifest(tmp_path: Path, host: Host, caplog: pytest.LogCaptureFixture) -> None:
    task = finished(host.serve("/v/a.mp4", whole(make_video())))
    caplog.set_level(logging.DEBUG)
    saved = save(task, tmp_path / "not yet there", "animals/red-panda")

    folder = tmp_path / "not yet there/animals"
    assert names(folder) == SAVED
    assert (folder / "red-panda.mp4").read_bytes() == make_video()
    assert [one.file for one in saved.files] == [f"file://{folder}/red-panda.mp4"]
    assert saved.manifest_file == f"file://{folder}/red-panda.kling.json"
    assert not saved.reused
    written = json.loads((folder / "red-panda.kling.json").read_text())
    saved_at = written.pop("saved_at")
    assert saved_at.endswith("+00:00")
    assert written == {
        "version": 1,
        "identity": "af-identity",
        "kling_task_id": "912345678901234567",
        "external_task_id": "af-0123456789",
        "name": "red-panda",
        "type": "text_to_video",
        "prompt": "A red panda brews tea",
        "model": "kling-3.0",
        "take": 0,
        "request": {"prompt": "A red panda brews tea", "name": "red-panda"},
        "outputs": [
            {
                "type": "video",
                "id": "out-0",
                "file": "red-panda.mp4",
                "bytes": len(make_video()),
                "sha256": hashlib.sha256(make_video()).hexdigest(),
                "duration": 1.041,
                "width": None,
                "height": None,
                "poster": "red-panda.mp4.jpg",
                "details": None,
            }
        ],
        "billing": [{"charge_type": "unit", "amount": "3.0", "currency": None, "package_type": "video"}],
        "created_at": task.created_at.isoformat(timespec="milliseconds"),  # type: ignore[union-attr]
        "finished_at": task.finished_at.isoformat(timespec="milliseconds"),  # type: ignore[union-attr]
        "expires_at": task.expires_at.isoformat(timespec="milliseconds"),  # type: ignore[union-attr]
        "times_sent": None,
        "claimed_at": None,
        "dag_id": "videos",
        "run_id": "manual__1",
        "task_id": "save",
        "map_index": 3,
    }
    assert manifest(folder) == saved.manifest
    assert oct((folder / "red-panda.mp4").stat().st_mode & 0o777) == oct(0o666 & ~umask())

    # Neither our log lines nor urllib3's at DEBUG show the signature.
    assert "red-panda.mp4" in caplog.text
    assert "/v/a.mp4" in caplog.text
    assert SECRET not in caplog.text


def umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_what_is_saved_is_not_downloaded_again(tmp_path: Path, host: Host) -> None:
    task = finished(host.serve("/a.mp4", whole(make_video())))
    save(task, tmp_path)
    again = save(task, tmp_path, origin=origin("another name for it"))
    assert again.reused
    assert again.manifest.identity == "af-identity"
    assert host.paths == ["/a.mp4"]
    assert find_saved_result(place(tmp_path), "red-panda", origin()) == again
    assert find_saved_result(place(tmp_path), "red-panda", origin("af-other")) is None
    assert find_saved_result(place(tmp_path), "b", origin()) is None


@pytest.mark.parametrize("damage", ["missing", "cut", "garbage", "empty"])
def test_a_file_that_is_not_intact_is_made_again(tmp_path: Path, host: Host, damage: str) -> None:
    file = tmp_path / "red-panda.mp4"
    task = finished(host.serve("/a.mp4", whole(make_video())))
    save(task, tmp_path)
    if damage == "missing":
        file.unlink()
    else:
        file.write_bytes(
            {"cut": make_video()[:-1], "garbage": b"\0" * len(make_video()), "empty": b""}[damage]
        )
    assert find_saved_result(place(tmp_path), "red-panda", origin()) is None
    assert choose_place(place(tmp_path), "red-panda", origin()).stem == "red-panda"
    assert not save(task, tmp_path).reused
    assert file.read_bytes() == make_video()


def test_an_answer_that_is_cut_is_asked_for_again(tmp_path: Path, host: Host) -> None:
    link = host.serve(
        "/a.mp4",
        cut(make_video(), 1000),
        status(502),
        silent_cut(make_video(), len(make_video()) - 1),
        status(429),
        whole(make_video()),
    )
    save(finished(link), tmp_path)
    assert (tmp_path / "red-panda.mp4").read_bytes() == make_video()
    assert len(host.seen) == 5


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (cut(make_video(), 1000), f"was cut, of {len(make_video())} bytes"),
        (silent_cut(make_video(), 5000), "not a whole video: it is cut, or damaged"),
        (status(503), "answered 503"),
        (status(200), "not a whole video: it is no MP4 (15 bytes, text/html)"),
        (whole(b""), "it is empty"),
    ],
)
def test_what_never_comes_whole_leaves_nothing(tmp_path: Path, host: Host, answer: Any, says: str) -> None:
    with pytest.raises(KlingServerError) as error:
        save(finished(host.serve("/a.mp4", answer)), tmp_path)
    text = told(error.value)
    assert says in text
    assert "is paid for and stays at Kling until" in text
    assert "downloads it again at no cost" in text
    assert error.value.task_state is TaskState.EXISTS
    assert error.value.kling_task_id == "912345678901234567"
    assert names(tmp_path) == []
    assert len(host.seen) == 5


@pytest.mark.parametrize(
    "length", ["9" * 5000, "\u00b2", "-5", "many"], ids=["long", "superscript", "negative", "word"]
)
def test_a_length_that_is_none_counts_as_not_stated(length: str, tmp_path: Path, host: Host) -> None:
    saved = save(finished(host.serve("/a.mp4", stating(length, make_video()))), tmp_path)
    assert [one.output.bytes for one in saved.files] == [len(make_video())]


def test_a_host_that_refuses_connections(tmp_path: Path) -> None:
    with running_host() as gone:
        link = gone.serve("/a.mp4")
    with pytest.raises(KlingServerError, match="refused the connection") as error:
        save(finished(link), tmp_path)
    told(error.value)
    assert names(tmp_path) == []


def test_silence_ends_by_the_read_timeout(tmp_path: Path, host: Host) -> None:
    go_on = threading.Event()
    link = host.serve("/a.mp4", stalled(make_video(), 100, go_on), whole(make_video()))
    save(finished(link), tmp_path, http_extras={"timeout": [5, 0.2]})
    go_on.set()
    assert (tmp_path / "red-panda.mp4").read_bytes() == make_video()


@pytest.mark.parametrize("code", [400, 401, 403, 404, 410])
def test_a_dead_link_is_replaced_by_a_fresh_one(tmp_path: Path, host: Host, code: int) -> None:
    dead = host.serve("/old.mp4", status(code))
    fresh = finished(host.serve("/other.mp4", status(404)), host.serve("/new.mp4", whole(make_video())))
    # The same output by its id, wherever it stands in the fresh answer.
    task = replace(finished(None, dead), outputs=finished(None, dead).outputs[1:])
    asked: list[int] = []

    def refresh() -> KlingTask:
        asked.append(1)
        return fresh

    save(task, tmp_path, refresh=refresh)
    assert (tmp_path / "red-panda.mp4").read_bytes() == make_video()
    assert asked == [1]
    assert host.paths == ["/old.mp4", "/new.mp4"]


def test_a_fresh_link_that_is_dead_too(tmp_path: Path, host: Host) -> None:
    link = host.serve("/a.mp4", status(403))
    with pytest.raises(KlingServerError, match="answered 403") as error:
        save(finished(link), tmp_path, refresh=lambda: finished(link))
    told(error.value)
    assert len(host.seen) == 2
    with pytest.raises(KlingTaskNotFound, match="is gone: Kling kept it until"):
        save(finished(link), tmp_path, refresh=lambda: finished(link, days_ago=31))


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://example.org/a.mp4", "", None])
def test_what_is_no_web_address_is_not_opened(tmp_path: Path, url: str | None) -> None:
    with pytest.raises(KlingServerError, match=r"must begin with http|names no URL"):
        save(finished(url), tmp_path, refresh=lambda: finished(url))
    assert names(tmp_path) == []


def test_redirects_are_followed_to_web_addresses_only(tmp_path: Path, host: Host) -> None:
    host.serve("/moved.mp4", whole(make_video()))
    save(finished(host.serve("/a.mp4", redirect(f"{host.url}/moved.mp4"))), tmp_path)
    assert (tmp_path / "red-panda.mp4").read_bytes() == make_video()

    elsewhere = finished(host.serve("/b.mp4", redirect("file:///etc/passwd")))
    loop = finished(host.serve("/c.mp4", redirect("/c.mp4")))
    for task in (elsewhere, loop):
        with pytest.raises(KlingServerError, match="redirects to where nothing can be fetched") as error:
            save(task, tmp_path, "b", refresh=lambda task=task: task)
        told(error.value)


def test_no_credential_reaches_the_host_of_results(
    tmp_path: Path, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password hunter2\n")
    monkeypatch.setenv("NETRC", str(netrc))
    host.serve("/moved.mp4", whole(make_video()))
    link = host.serve("/a.mp4", redirect(f"{host.url}/moved.mp4"))
    save(finished(link), tmp_path, http_extras={"X-Gateway-Key": "k", "Authorization": "Bearer k"})
    assert host.paths == ["/a.mp4", "/moved.mp4"]
    for _, headers in host.seen:
        assert set(headers) == {"Host", "User-Agent", "Accept", "Accept-Encoding", "Connection"}
        assert headers["Accept-Encoding"] == "identity"


def test_the_proxy_of_the_connection_is_used(tmp_path: Path, host: Host) -> None:
    host.answers["http://results.invalid/a.mp4"] = [whole(make_video())]
    save(
        finished("http://results.invalid/a.mp4?Signature=x"),
        place(tmp_path),
        http_extras={"proxies": {"http": host.url}},
    )
    assert host.paths == ["http://results.invalid/a.mp4"]


def test_the_manifest_shows_no_bytes_and_no_signature(tmp_path: Path, host: Host) -> None:
    link = host.serve("/a.mp4", whole(make_video()))
    written = {"first_frame": f"https://example.org/a.png?{SECRET}", "last_frame": "z.png", "prompt": "x"}
    save(finished(link), tmp_path, origin=origin(request=written))
    text = (tmp_path / "red-panda.kling.json").read_text()
    assert "s3cr3t" not in text
    assert json.loads(text)["request"] == {
        "first_frame": "https://example.org/a.png",
        "last_frame": "z.png",
        "prompt": "x",
    }

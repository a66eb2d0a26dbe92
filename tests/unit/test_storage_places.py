# SPDX-License-Identifier: Apache-2.0
"""Whose a place is: nothing of others is overwritten, nothing of ours is in its own way. And disks that fail."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from kling_provider.api.codes import TaskState
from kling_provider.exceptions import (
    KlingError,
    KlingRequestError,
    KlingStorageError,
)
from kling_provider.storage import SavedResult, choose_place, claim_place, find_saved_result
from tests.unit.storage_stand_ins import (
    SAVED,
    Host,
    finished,
    make_video,
    manifest,
    names,
    origin,
    place,
    save,
    stalled,
    whole,
)


@pytest.mark.parametrize("replace", [False, True])
def test_a_file_of_others_is_never_overwritten(tmp_path: Path, host: Host, replace: bool) -> None:
    file = tmp_path / "red-panda.mp4"
    task = finished(host.serve("/a.mp4", whole(make_video())))

    def refused(says: str, way_out: str) -> None:
        before = {name: (tmp_path / name).read_bytes() for name in names(tmp_path)}
        with pytest.raises(KlingRequestError, match="another filename") as error:
            claim_place(place(tmp_path), "red-panda", origin(), replace=replace)
        assert says in str(error.value)
        assert way_out in str(error.value)
        assert "Nothing was sent, nothing is billed" in str(error.value)
        assert error.value.task_state is TaskState.NONE
        with pytest.raises(KlingRequestError, match="stays at Kling") as late:
            save(task, tmp_path, replace=replace)
        assert says in str(late.value)
        assert late.value.task_state is TaskState.EXISTS
        assert {name: (tmp_path / name).read_bytes() for name in names(tmp_path)} == before

    file.write_bytes(b"somebody's")
    refused("no manifest names it", "move it away")
    file.unlink()
    (tmp_path / "red-panda.kling.json").write_text('{"some": "json"}')
    refused("was not written by this provider", "move it away")
    (tmp_path / "red-panda.kling.json").write_text("")
    refused("a task was killed while it claimed", "claims release")
    (tmp_path / "red-panda.kling.json").unlink()
    file.symlink_to(tmp_path / "dangling")
    refused("is not a file", "move it away")
    file.unlink()
    file.mkdir()
    refused("is not a file", "move it away")
    file.rmdir()
    others = origin("af-other", dag_id="trailers", task_id="cut", map_index=-1)
    save(finished(host.serve("/b.mp4", whole(make_video(0.5))), id="1"), tmp_path, origin=others)
    owner = "Dag trailers, run manual__1, task cut, name red-panda, Kling task 1"
    refused(owner, "'{name}-{run_id}'")
    file.unlink()
    refused(owner, "'{name}-{run_id}'")


def test_what_was_paid_is_saved_beside_a_file_of_others(
    tmp_path: Path, host: Host, caplog: pytest.LogCaptureFixture
) -> None:
    """It came there after the payment."""
    (tmp_path / "red-panda.mp4").write_bytes(b"somebody's")
    task = finished(host.serve("/a.mp4", whole(make_video())))
    saved = save(task, tmp_path, beside=["red-panda.0badcafe"])
    assert saved.files[0].file.endswith("/red-panda.0badcafe.mp4")
    assert (tmp_path / "red-panda.0badcafe.mp4").read_bytes() == make_video()
    assert saved.manifest.outputs[0].poster == "red-panda.0badcafe.mp4.jpg"
    assert (tmp_path / "red-panda.mp4").read_bytes() == b"somebody's"
    assert "It stays as it is, and this result goes beside it" in caplog.text


def test_a_video_that_was_edited_is_not_overwritten(tmp_path: Path, host: Host) -> None:
    file = tmp_path / "red-panda.mp4"
    task = finished(host.serve("/a.mp4", whole(make_video())))
    save(task, tmp_path)
    file.write_bytes(make_video(0.5))
    assert find_saved_result(place(tmp_path), "red-panda", origin()) is None
    with pytest.raises(KlingRequestError, match="was changed after it was saved") as error:
        choose_place(place(tmp_path), "red-panda", origin())
    assert "set replace=True" in str(error.value)
    with pytest.raises(KlingRequestError, match="was changed after it was saved"):
        save(task, tmp_path)
    assert file.read_bytes() == make_video(0.5)
    assert claim_place(place(tmp_path), "red-panda", origin(), replace=True) == "red-panda"
    save(task, tmp_path, replace=True)
    assert file.read_bytes() == make_video()


def test_another_task_of_the_same_identity_takes_the_place(tmp_path: Path, host: Host) -> None:
    save(finished(host.serve("/a.mp4", whole(make_video())), id="1"), tmp_path)
    assert claim_place(place(tmp_path), "red-panda", origin()) == "red-panda"
    save(finished(host.serve("/b.mp4", whole(make_video(0.5))), id="2"), tmp_path)
    assert (tmp_path / "red-panda.mp4").read_bytes() == make_video(0.5)
    assert manifest(tmp_path).kling_task_id == "2"  # type: ignore[union-attr]


def test_of_two_that_save_at_once_one_wins_and_the_other_says_so(tmp_path: Path, host: Host) -> None:
    """Both looked before either was there: the one whose download ends first gets the name."""
    go_on = threading.Event()
    slow = finished(host.serve("/slow.mp4", stalled(make_video(), 500, go_on)), id="slow")
    failed: list[BaseException] = []

    def save_slowly() -> None:
        try:
            save(slow, tmp_path, origin=origin("af-slow"))
        except KlingError as error:
            failed.append(error)

    thread = threading.Thread(target=save_slowly)
    thread.start()
    while "/slow.mp4" not in host.paths:
        thread.join(0.01)
    save(finished(host.serve("/b.mp4", whole(make_video(0.5)))), tmp_path)
    go_on.set()
    thread.join()
    assert isinstance(failed[0], KlingRequestError)
    assert "belongs to another result" in str(failed[0])
    assert (tmp_path / "red-panda.mp4").read_bytes() == make_video(0.5)
    assert names(tmp_path) == SAVED


def test_two_tries_of_one_task_at_once_are_one_file(tmp_path: Path, host: Host) -> None:
    task = finished(host.serve("/a.mp4", whole(make_video())))
    results: list[SavedResult] = []
    threads = [threading.Thread(target=lambda: results.append(save(task, tmp_path))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 8
    assert names(tmp_path) == SAVED
    assert find_saved_result(place(tmp_path), "red-panda", origin()) is not None


def test_a_place_that_cannot_be_written_is_told_before_the_payment(tmp_path: Path, host: Host) -> None:
    (tmp_path / "file").write_text("a file, no folder")
    below = tmp_path / "file/below"
    with pytest.raises(KlingStorageError, match="a file exists where a folder must be") as error:
        claim_place(place(below), "red-panda", origin())
    assert "Nothing was sent to Kling" in str(error.value)
    with pytest.raises(KlingStorageError, match="stays at Kling"):
        save(finished(host.serve("/a.mp4", whole(make_video()))), below)


def test_a_file_system_without_hard_links(
    tmp_path: Path, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*_: Any, **__: Any) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    task = finished(host.serve("/a.mp4", whole(make_video())))
    save(task, tmp_path)
    assert save(task, tmp_path).reused
    assert names(tmp_path) == SAVED
    with pytest.raises(KlingRequestError, match="belongs to another result"):
        save(finished(host.serve("/b.mp4", whole(make_video())), id="2"), tmp_path, origin=origin("af-other"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_of_others_is_told_before_the_payment(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o500)
    with pytest.raises(KlingStorageError, match="the worker's user must have permission"):
        claim_place(place(tmp_path / "closed"), "red-panda", origin())


NO_ROOM = """
import resource, signal, sys
from tests.unit.storage_stand_ins import finished, origin, place, save
from kling_provider.exceptions import KlingStorageError
from kling_provider.storage import claim_place
from pathlib import Path
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    save(finished(sys.argv[1]), Path(sys.argv[2]))
except KlingStorageError as error:
    print(error.task_state, error)
resource.setrlimit(resource.RLIMIT_FSIZE, (64, 4096))
try:
    claim_place(place(Path(sys.argv[2])), "another", origin())
except KlingStorageError as error:
    print(error.task_state, error)
"""


@pytest.mark.slow
def test_no_room_for_the_file(tmp_path: Path, host: Host, repository: Path) -> None:
    """A real write that fails, in a process that may not write more than 4 KiB."""
    link = host.serve("/a.mp4", whole(make_video()))
    done = subprocess.run(
        [sys.executable, "-c", NO_ROOM, link, str(tmp_path)],
        cwd=repository,
        capture_output=True,
        text=True,
        check=True,
    )
    saving, claiming = done.stdout.splitlines()
    assert saving.startswith("exists Could not save")
    assert "larger than this process may write" in saving
    assert "stays at Kling until" in saving
    assert claiming.startswith("none Could not claim")
    assert "larger than this process may write. Nothing was sent to Kling." in claiming
    assert names(tmp_path) == []
    assert len(host.seen) == 1

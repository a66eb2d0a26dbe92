# SPDX-License-Identifier: Apache-2.0
"""Saving on local disk, from a host that cuts, expires, redirects and lies."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import ObjectStoragePath

from kling_provider.api.codes import TaskState
from kling_provider.api.tasks import KlingTask
from kling_provider.exceptions import (
    KlingError,
    KlingRequestError,
    KlingServerError,
    KlingStorageError,
    KlingTaskNotFound,
)
from kling_provider.storage import (
    SavedFile,
    check_free,
    destination_path,
    find_saved,
    read_sidecar,
    save_output,
    sidecar_path,
)
from tests.unit.storage_stand_ins import (
    SECRET,
    Host,
    cut,
    film,
    finished,
    origin,
    redirect,
    running_host,
    silent_cut,
    stalled,
    status,
    whole,
)


@pytest.fixture
def host() -> Iterator[Host]:
    with running_host() as host:
        yield host


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries follow at once."""
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda seconds: None)


def place(folder: Path, name: str = "red-panda.mp4") -> ObjectStoragePath:
    path: ObjectStoragePath = destination_path(str(folder)) / name
    return path


def never() -> KlingTask:
    raise AssertionError("no fresh link is needed here")


def save(task: KlingTask, path: ObjectStoragePath, **more: Any) -> SavedFile:
    return save_output(task, path, **({"origin": origin(), "refresh": never} | more))


def names(folder: Path) -> list[str]:
    return sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file())


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
def test_a_video_and_its_sidecar(tmp_path: Path, host: Host, caplog: pytest.LogCaptureFixture) -> None:
    task = finished(host.serve("/v/a.mp4", whole(film())))
    path = place(tmp_path / "not yet there", "animals/red-panda.mp4")
    caplog.set_level(logging.DEBUG)
    saved = save(task, path)

    folder = tmp_path / "not yet there/animals"
    assert names(folder) == ["red-panda.mp4", "red-panda.mp4.json"]
    assert (folder / "red-panda.mp4").read_bytes() == film()
    assert saved.file == f"file://{folder}/red-panda.mp4"
    assert saved.sidecar_file == f"file://{folder}/red-panda.mp4.json"
    assert not saved.reused
    written = json.loads((folder / "red-panda.mp4.json").read_text())
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
        "output_type": "video",
        "output_id": "out-0",
        "duration": 1.041,
        "bytes": len(film()),
        "sha256": hashlib.sha256(film()).hexdigest(),
        "billing": [{"charge_type": "unit", "amount": "3.0", "currency": None}],
        "created_at": task.created_at.isoformat(timespec="milliseconds"),  # type: ignore[union-attr]
        "finished_at": task.finished_at.isoformat(timespec="milliseconds"),  # type: ignore[union-attr]
        "expires_at": task.expires_at.isoformat(timespec="milliseconds"),  # type: ignore[union-attr]
        "dag_id": "videos",
        "run_id": "manual__1",
        "task_id": "save",
        "map_index": 3,
    }
    assert read_sidecar(path) == saved.sidecar
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
    path = place(tmp_path)
    task = finished(host.serve("/a.mp4", whole(film())))
    save(task, path)
    again = save(task, path, origin=origin("another name for it"))
    assert again.reused
    assert again.sidecar.identity == "af-identity"
    assert host.paths == ["/a.mp4"]
    assert find_saved(path, "af-identity") == again.sidecar
    assert find_saved(path, "af-other") is None
    assert find_saved(place(tmp_path, "b.mp4"), "af-identity") is None


@pytest.mark.parametrize("damage", ["missing", "cut", "garbage", "empty"])
def test_a_file_that_is_not_intact_is_made_again(tmp_path: Path, host: Host, damage: str) -> None:
    path, file = place(tmp_path), tmp_path / "red-panda.mp4"
    task = finished(host.serve("/a.mp4", whole(film())))
    save(task, path)
    if damage == "missing":
        file.unlink()
    else:
        file.write_bytes({"cut": film()[:-1], "garbage": b"\0" * len(film()), "empty": b""}[damage])
    assert find_saved(path, "af-identity") is None
    check_free(path, "af-identity")
    assert not save(task, path).reused
    assert file.read_bytes() == film()


def test_an_answer_that_is_cut_is_asked_for_again(tmp_path: Path, host: Host) -> None:
    link = host.serve(
        "/a.mp4",
        cut(film(), 1000),
        status(502),
        silent_cut(film(), len(film()) - 1),
        status(429),
        whole(film()),
    )
    save(finished(link), place(tmp_path))
    assert (tmp_path / "red-panda.mp4").read_bytes() == film()
    assert len(host.seen) == 5


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (cut(film(), 1000), f"was cut, of {len(film())} bytes"),
        (silent_cut(film(), 5000), "no whole video: it is cut, or damaged"),
        (status(503), "answered 503"),
        (status(200), "no whole video: it is no MP4 (15 bytes, text/html)"),
        (whole(b""), "it is empty"),
    ],
)
def test_what_never_comes_whole_leaves_nothing(tmp_path: Path, host: Host, answer: Any, says: str) -> None:
    with pytest.raises(KlingServerError) as error:
        save(finished(host.serve("/a.mp4", answer)), place(tmp_path))
    text = told(error.value)
    assert says in text
    assert "is paid for and stays at Kling until" in text
    assert "downloads it again at no cost" in text
    assert error.value.task_state is TaskState.EXISTS
    assert error.value.kling_task_id == "912345678901234567"
    assert names(tmp_path) == []
    assert len(host.seen) == 5


def test_nobody_listens(tmp_path: Path) -> None:
    with running_host() as gone:
        link = gone.serve("/a.mp4")
    with pytest.raises(KlingServerError, match="refused the connection") as error:
        save(finished(link), place(tmp_path))
    told(error.value)
    assert names(tmp_path) == []


def test_silence_ends_by_the_read_timeout(tmp_path: Path, host: Host) -> None:
    go_on = threading.Event()
    link = host.serve("/a.mp4", stalled(film(), 100, go_on), whole(film()))
    save(finished(link), place(tmp_path), http_extras={"timeout": [5, 0.2]})
    go_on.set()
    assert (tmp_path / "red-panda.mp4").read_bytes() == film()


@pytest.mark.parametrize("code", [400, 401, 403, 404, 410])
def test_a_dead_link_is_replaced_by_a_fresh_one(tmp_path: Path, host: Host, code: int) -> None:
    dead = host.serve("/old.mp4", status(code))
    fresh = finished(host.serve("/other.mp4", status(404)), host.serve("/new.mp4", whole(film())))
    # The same output by its id, wherever it stands in the fresh answer.
    task = finished(None, dead)
    asked: list[int] = []

    def refresh() -> KlingTask:
        asked.append(1)
        return fresh

    save(task, place(tmp_path), index=1, refresh=refresh)
    assert (tmp_path / "red-panda.mp4").read_bytes() == film()
    assert asked == [1]
    assert host.paths == ["/old.mp4", "/new.mp4"]


def test_a_fresh_link_that_is_dead_too(tmp_path: Path, host: Host) -> None:
    link = host.serve("/a.mp4", status(403))
    with pytest.raises(KlingServerError, match="answered 403") as error:
        save(finished(link), place(tmp_path), refresh=lambda: finished(link))
    told(error.value)
    assert len(host.seen) == 2
    with pytest.raises(KlingTaskNotFound, match="is gone: Kling kept it until"):
        save(finished(link), place(tmp_path), refresh=lambda: finished(link, days_ago=31))


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://example.org/a.mp4", "", None])
def test_what_is_no_web_address_is_not_opened(tmp_path: Path, url: str | None) -> None:
    with pytest.raises(KlingServerError, match=r"no web address|names no address"):
        save(finished(url), place(tmp_path), refresh=lambda: finished(url))
    assert names(tmp_path) == []


def test_redirects_are_followed_to_web_addresses_only(tmp_path: Path, host: Host) -> None:
    host.serve("/moved.mp4", whole(film()))
    save(finished(host.serve("/a.mp4", redirect(f"{host.url}/moved.mp4"))), place(tmp_path))
    assert (tmp_path / "red-panda.mp4").read_bytes() == film()

    elsewhere = finished(host.serve("/b.mp4", redirect("file:///etc/passwd")))
    loop = finished(host.serve("/c.mp4", redirect("/c.mp4")))
    for task in (elsewhere, loop):
        with pytest.raises(KlingServerError, match="redirects to where nothing can be fetched") as error:
            save(task, place(tmp_path, "b.mp4"), refresh=lambda task=task: task)
        told(error.value)


def test_no_credential_reaches_the_host_of_results(
    tmp_path: Path, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password hunter2\n")
    monkeypatch.setenv("NETRC", str(netrc))
    host.serve("/moved.mp4", whole(film()))
    link = host.serve("/a.mp4", redirect(f"{host.url}/moved.mp4"))
    save(finished(link), place(tmp_path), http_extras={"X-Gateway-Key": "k", "Authorization": "Bearer k"})
    assert host.paths == ["/a.mp4", "/moved.mp4"]
    for _, headers in host.seen:
        assert set(headers) == {"Host", "User-Agent", "Accept", "Accept-Encoding", "Connection"}
        assert headers["Accept-Encoding"] == "identity"


def test_the_proxy_of_the_connection_is_used(tmp_path: Path, host: Host) -> None:
    host.answers["http://results.invalid/a.mp4"] = [whole(film())]
    save(
        finished("http://results.invalid/a.mp4?Signature=x"),
        place(tmp_path),
        http_extras={"proxies": {"http": host.url}},
    )
    assert host.paths == ["http://results.invalid/a.mp4"]


# -- whose place it is ------------------------------------------------------------------------------------------


def test_a_file_of_others_is_never_overwritten(tmp_path: Path, host: Host) -> None:
    path, file = place(tmp_path), tmp_path / "red-panda.mp4"
    task = finished(host.serve("/a.mp4", whole(film())))

    def refused(says: str) -> None:
        before = {name: (tmp_path / name).read_bytes() for name in names(tmp_path)}
        with pytest.raises(KlingRequestError, match="add the run's date to destination") as error:
            check_free(path, "af-identity")
        assert says in str(error.value)
        assert "set replace=True" in str(error.value)
        assert error.value.task_state is TaskState.NONE
        with pytest.raises(KlingRequestError, match="stays at Kling") as late:
            save(task, path)
        assert says in str(late.value)
        assert late.value.task_state is TaskState.EXISTS
        assert {name: (tmp_path / name).read_bytes() for name in names(tmp_path)} == before

    file.write_bytes(b"somebody's")
    refused("has no sidecar")
    file.unlink()
    (tmp_path / "red-panda.mp4.json").write_text('{"some": "json"}')
    refused("none of ours")
    (tmp_path / "red-panda.mp4.json").unlink()
    file.symlink_to(tmp_path / "dangling")
    refused("is no file")
    file.unlink()
    file.mkdir()
    refused("is no file")
    file.rmdir()
    save(finished(host.serve("/b.mp4", whole(film(0.5))), id="1"), path, origin=origin("af-other"))
    refused("belongs to another video")
    file.unlink()
    refused("belongs to another video")


def test_a_video_that_was_edited_is_not_overwritten(tmp_path: Path, host: Host) -> None:
    path, file = place(tmp_path), tmp_path / "red-panda.mp4"
    task = finished(host.serve("/a.mp4", whole(film())))
    save(task, path)
    file.write_bytes(film(0.5))
    assert find_saved(path, "af-identity") is None
    with pytest.raises(KlingRequestError, match="was changed after it was saved"):
        check_free(path, "af-identity")
    with pytest.raises(KlingRequestError, match="was changed after it was saved"):
        save(task, path)
    assert file.read_bytes() == film(0.5)


def test_replace_takes_the_place(tmp_path: Path, host: Host) -> None:
    path, file = place(tmp_path), tmp_path / "red-panda.mp4"
    file.write_bytes(b"somebody's")
    (tmp_path / "red-panda.mp4.json").write_text("not even json")
    check_free(path, "af-identity", replace=True)
    save(finished(host.serve("/a.mp4", whole(film()))), path, replace=True)
    assert file.read_bytes() == film()
    assert find_saved(path, "af-identity") is not None


def test_another_task_of_the_same_identity_takes_the_place(tmp_path: Path, host: Host) -> None:
    path = place(tmp_path)
    save(finished(host.serve("/a.mp4", whole(film())), id="1"), path)
    check_free(path, "af-identity")
    save(finished(host.serve("/b.mp4", whole(film(0.5))), id="2"), path)
    assert (tmp_path / "red-panda.mp4").read_bytes() == film(0.5)
    assert read_sidecar(path).kling_task_id == "2"  # type: ignore[union-attr]


def test_of_two_that_save_at_once_one_wins_and_the_other_says_so(tmp_path: Path, host: Host) -> None:
    """Both looked before either was there: the one whose download ends first gets the name."""
    path = place(tmp_path)
    go_on = threading.Event()
    slow = finished(host.serve("/slow.mp4", stalled(film(), 500, go_on)), id="slow")
    failed: list[BaseException] = []

    def save_slowly() -> None:
        try:
            save(slow, path, origin=origin("af-slow"))
        except KlingError as error:
            failed.append(error)

    thread = threading.Thread(target=save_slowly)
    thread.start()
    while "/slow.mp4" not in host.paths:
        thread.join(0.01)
    save(finished(host.serve("/b.mp4", whole(film(0.5)))), path)
    go_on.set()
    thread.join()
    assert isinstance(failed[0], KlingRequestError)
    assert "belongs to another video" in str(failed[0])
    assert (tmp_path / "red-panda.mp4").read_bytes() == film(0.5)
    assert names(tmp_path) == ["red-panda.mp4", "red-panda.mp4.json"]


def test_two_tries_of_one_task_at_once_are_one_file(tmp_path: Path, host: Host) -> None:
    path = place(tmp_path)
    task = finished(host.serve("/a.mp4", whole(film())))
    results: list[SavedFile] = []
    threads = [threading.Thread(target=lambda: results.append(save(task, path))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 8
    assert names(tmp_path) == ["red-panda.mp4", "red-panda.mp4.json"]
    assert find_saved(path, "af-identity") is not None


# -- disks ------------------------------------------------------------------------------------------------------


def test_a_place_that_cannot_be_written_is_told_before_the_payment(tmp_path: Path, host: Host) -> None:
    (tmp_path / "file").write_text("a file, no folder")
    path = place(tmp_path / "file/below")
    with pytest.raises(KlingStorageError, match="a file stands where a folder should be") as error:
        check_free(path, "af-identity")
    assert "Nothing was sent" in str(error.value)
    with pytest.raises(KlingStorageError, match="stays at Kling"):
        save(finished(host.serve("/a.mp4", whole(film()))), path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_of_others_is_told_before_the_payment(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o500)
    with pytest.raises(KlingStorageError, match="this worker's user may not do that there"):
        check_free(place(tmp_path / "closed/below"), "af-identity")


NO_ROOM = """
import resource, signal, sys
from tests.unit.test_storage_saving import place, save
from tests.unit.storage_stand_ins import finished
from kling_provider.exceptions import KlingStorageError
from pathlib import Path
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    save(finished(sys.argv[1]), place(Path(sys.argv[2])))
except KlingStorageError as error:
    sys.stdout.write(f"{error.task_state} {error}")
"""


def test_no_room_for_the_file(tmp_path: Path, host: Host, repository: Path) -> None:
    """A real write that fails, in a process that may not write more than 4 KiB."""
    link = host.serve("/a.mp4", whole(film()))
    done = subprocess.run(
        [sys.executable, "-c", NO_ROOM, link, str(tmp_path)],
        cwd=repository,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "exists Could not save" in done.stdout
    assert "larger than this process may write" in done.stdout
    assert "stays at Kling until" in done.stdout
    assert names(tmp_path) == []
    assert len(host.seen) == 1


# -- kills ------------------------------------------------------------------------------------------------------

KILLED_WHILE_DOWNLOADING = """
import sys
from pathlib import Path
from tests.unit.test_storage_saving import place, save
from tests.unit.storage_stand_ins import finished
save(finished(sys.argv[1]), place(Path(sys.argv[2])))
"""


def test_a_worker_killed_while_it_downloads_leaves_nothing_for_long(
    tmp_path: Path, host: Host, repository: Path
) -> None:
    go_on = threading.Event()
    link = host.serve("/a.mp4", stalled(film(), len(film()) // 2, go_on), whole(film()))
    child = subprocess.Popen(
        [sys.executable, "-c", KILLED_WHILE_DOWNLOADING, link, str(tmp_path)], cwd=repository
    )
    while "/a.mp4" not in host.paths:
        assert child.poll() is None
    (part,) = names(tmp_path)
    assert part.startswith(".red-panda.mp4.part-")

    # While it lives its part is left alone by another try, and by other videos' cleaning up.
    save(finished(host.serve("/b.mp4", whole(film())), id="2"), place(tmp_path, "red-panda.mp4.part-2.mp4"))
    assert part in names(tmp_path)

    child.send_signal(signal.SIGKILL)
    child.wait()
    go_on.set()
    assert part in names(tmp_path)
    path = place(tmp_path)
    assert find_saved(path, "af-identity") is None
    check_free(path, "af-identity")
    assert not save(finished(link), path).reused
    assert part not in names(tmp_path)
    assert (tmp_path / "red-panda.mp4").read_bytes() == film()


# A child is killed at its n-th touch of the folder (every open, link, rename, unlink, lock), for every n until
# one gets through; after each kill the next try runs without one. Forked from one process, so that Airflow is
# imported once.
KILLED_EVERYWHERE = """
import os, shutil, signal, sys
from pathlib import Path
from tests.unit.test_storage_saving import place, prepare, save, state
from tests.unit.storage_stand_ins import finished
import requests, tenacity

link, folder, case = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
TOUCHES = {"open", "os.link", "os.rename", "os.remove", "os.mkdir", "os.scandir", "fcntl.flock", "os.truncate"}

def child(kill_at):
    touched = 0
    def hook(event, args):
        nonlocal touched
        if event in TOUCHES and (event == "fcntl.flock" or str(folder) in str(args[0])):
            touched += 1
            if touched == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
    path = place(folder)
    options = prepare(folder, case)
    sys.addaudithook(hook)
    save(finished(link), path, **options)

for kill_at in range(1, 200):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    pid = os.fork()
    if not pid:
        child(kill_at)
        os._exit(0)
    _, ended = os.waitpid(pid, 0)
    killed = os.WIFSIGNALED(ended)
    assert killed or ended == 0, ended
    between = state(folder)
    options = {"replace": True} if case == "replace" else {}
    save(finished(link), place(folder), **options)
    print("killed" if killed else "through", between, state(folder), sep="|", flush=True)
    if not killed:
        break
"""


def prepare(folder: Path, case: str) -> dict[str, Any]:
    """What stands in the folder before."""
    if case == "replace":
        (folder / "red-panda.mp4").write_bytes(b"somebody's")
        (folder / "red-panda.mp4.json").write_text("{}")
        return {"replace": True}
    if case == "broken":
        # Another task of the same identity, whose file was cut.
        sidecar = {
            "version": 1,
            "identity": "af-identity",
            "kling_task_id": "1",
            "type": "text_to_video",
            "output_type": "video",
            "bytes": 5000,
            "sha256": "0" * 64,
        }
        (folder / "red-panda.mp4.json").write_text(json.dumps(sidecar))
        (folder / "red-panda.mp4").write_bytes(film(0.5)[:400])
    return {}


def state(folder: Path) -> str:
    """The film as anybody may see it, its sidecar, and the number of hidden files."""
    film_file, sidecar = folder / "red-panda.mp4", folder / "red-panda.mp4.json"
    seen = "none"
    if film_file.exists():
        seen = "whole" if film_file.read_bytes() == film() else "before"
    hidden = len([name for name in names(folder) if name.startswith(".")])
    claims = sidecar.exists() and "912345678901234567" in sidecar.read_text()
    return f"{seen} {'ours' if claims else 'none'} {hidden}"


@pytest.mark.parametrize("case", ["fresh", "broken", "replace"])
def test_a_worker_killed_at_any_point_neither_blocks_the_retry_nor_shows_half_a_file(
    tmp_path: Path, host: Host, repository: Path, case: str
) -> None:
    link = host.serve("/a.mp4", whole(film()))
    done = subprocess.run(
        [sys.executable, "-c", KILLED_EVERYWHERE, link, str(tmp_path / "videos"), case],
        cwd=repository,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = [line.split("|") for line in done.stdout.splitlines() if line.startswith(("killed|", "through|"))]
    assert [kind for kind, *_ in lines] == ["killed"] * (len(lines) - 1) + ["through"]
    assert len(lines) > 10
    between = {state for _, state, _ in lines}
    # A whole film never stands there without the sidecar that says whose it is, ...
    assert "whole none" not in {state.rpartition(" ")[0] for state in between}
    # ... the kills did hit the moments that matter, ...
    assert "none ours" in {state.rpartition(" ")[0] for state in between}
    assert any(state.startswith("whole ours") for state in between)
    # ... and after the retry everything is there and nothing is left over.
    assert {state for *_, state in lines} == {"whole ours 0"}


def test_parts_of_other_targets_and_of_the_living_stay(tmp_path: Path, host: Host) -> None:
    dead = tmp_path / ".red-panda.mp4.part-0123abcd"
    dead.write_bytes(b"half")
    dead_sidecar = tmp_path / ".red-panda.mp4.json.part-0123abcd"
    dead_sidecar.write_bytes(b"half")
    others = tmp_path / ".blue-panda.mp4.part-0123abcd"
    others.write_bytes(b"half")
    save(finished(host.serve("/a.mp4", whole(film()))), place(tmp_path))
    assert names(tmp_path) == [others.name, "red-panda.mp4", "red-panda.mp4.json"]


def test_the_sidecar_shows_no_bytes_and_no_signature(tmp_path: Path, host: Host) -> None:
    link = host.serve("/a.mp4", whole(film()))
    path = place(tmp_path)
    written = {"first_frame": f"https://example.org/a.png?{SECRET}", "last_frame": "z.png", "prompt": "x"}
    save(finished(link), path, origin=origin(request=written, images={"last_frame": "sha256:" + "ab" * 32}))
    text = (tmp_path / sidecar_path(path).name).read_text()
    assert "s3cr3t" not in text
    assert json.loads(text)["request"] == {
        "first_frame": "https://example.org/a.png",
        "last_frame": "z.png (sha256 abababababab)",
        "prompt": "x",
    }

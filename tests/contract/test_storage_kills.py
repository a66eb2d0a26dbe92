# SPDX-License-Identifier: Apache-2.0
"""A worker that is killed: at every step of saving, and while it downloads."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from kling_provider.api.tasks import KlingTask
from kling_provider.storage import (
    Manifest,
    Origin,
    SavedOutput,
    choose_place,
    claim_place,
    find_claims,
    find_saved_result,
)
from tests.unit.storage_stand_ins import (
    SAVED,
    Host,
    finished,
    make_video,
    names,
    origin,
    place,
    running_host,
    save,
    stalled,
    whole,
)


@pytest.fixture
def host() -> Iterator[Host]:
    with running_host() as host:
        yield host


KILLED_WHILE_DOWNLOADING = """
import sys
from pathlib import Path
from tests.unit.storage_stand_ins import finished, save
save(finished(sys.argv[1]), Path(sys.argv[2]))
"""


def test_a_worker_killed_while_it_downloads_leaves_nothing_for_long(
    tmp_path: Path, host: Host, repository: Path
) -> None:
    go_on = threading.Event()
    link = host.serve("/a.mp4", stalled(make_video(), len(make_video()) // 2, go_on), whole(make_video()))
    child = subprocess.Popen(
        [sys.executable, "-c", KILLED_WHILE_DOWNLOADING, link, str(tmp_path)], cwd=repository
    )
    while "/a.mp4" not in host.paths:
        assert child.poll() is None
    (part,) = names(tmp_path)
    assert part.startswith(".red-panda.kling.json.part-")

    # While it lives its part is left alone by another try, and by other videos' cleaning up.
    save(finished(host.serve("/b.mp4", whole(make_video())), id="2"), tmp_path, "red-panda.kling.json.part-2")
    assert part in names(tmp_path)

    child.send_signal(signal.SIGKILL)
    child.wait()
    go_on.set()
    assert part in names(tmp_path)
    assert find_saved_result(place(tmp_path), "red-panda", origin()) is None
    assert choose_place(place(tmp_path), "red-panda", origin()).stem == "red-panda"
    assert not save(finished(link), tmp_path).reused
    assert part not in names(tmp_path)
    assert (tmp_path / "red-panda.mp4").read_bytes() == make_video()


# A child is killed at its n-th touch of the folder (every open, link, rename, unlink, lock), for every n until
# one gets through; after each kill the next try runs without one. Forked from one process, so that Airflow is
# imported once.
KILLED_EVERYWHERE = """
import os, shutil, signal, sys
from pathlib import Path
from tests.unit.storage_stand_ins import save
from tests.contract.test_storage_kills import prepare, state, task_of
import requests, tenacity

url, folder, case = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
TOUCHES = {"open", "os.link", "os.rename", "os.remove", "os.mkdir", "os.scandir", "fcntl.flock", "os.truncate"}

def child(kill_at):
    touched = 0
    def hook(event, args):
        nonlocal touched
        if event in TOUCHES and (event == "fcntl.flock" or str(folder) in str(args[0])):
            touched += 1
            if touched == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
    options = prepare(folder, case)
    sys.addaudithook(hook)
    save(task_of(url, case), folder, **options)

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
    between = state(folder, case)
    save(task_of(url, case), folder, replace=case.startswith("replace"))
    print("killed" if killed else "through", between, state(folder, case), sep="|", flush=True)
    if not killed:
        break
"""

#: What the task of a case makes.
OUTPUTS = {"several": ("image", "image"), "replaced by several": ("video", "image")}
PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)


def task_of(url: str, case: str) -> KlingTask:
    types = OUTPUTS.get(case, ("video",))
    task = finished(*(f"{url}/{one}?s" for one in types))
    outputs = [replace(one, type=made) for one, made in zip(task.outputs, types, strict=True)]
    return replace(task, outputs=tuple(outputs))


def prepare(folder: Path, case: str) -> dict[str, Any]:
    """What stands in the folder before."""
    if case == "claimed":
        claim_place(place(folder), "red-panda", origin())
        return {}
    if case.startswith("replace"):
        write_video(folder, make_video(0.5), origin("af-older", run_id="manual__0"))
        return {"replace": True}
    if case == "broken":
        # Another task of the same identity, whose file was cut.
        write_video(folder, make_video(0.5)[:400], origin(), size=5000)
    return {}


def write_video(folder: Path, data: bytes, whose: Origin, *, size: int | None = None) -> None:
    output = SavedOutput(
        type="video",
        file="red-panda.mp4",
        bytes=len(data) if size is None else size,
        sha256=sha256(data).hexdigest(),
    )
    older = Manifest.of_task(finished(None, id="1"), whose, [output])
    (folder / "red-panda.kling.json").write_bytes(older.as_bytes())
    (folder / "red-panda.mp4").write_bytes(data)


def state(folder: Path, case: str) -> str:
    """The files as anybody may see them, whose manifest stands there, and the number of hidden files."""
    types = OUTPUTS.get(case, ("video",))
    several = len(types) > 1
    wanted = {
        f"red-panda{f'-{index}' if several else ''}{'.mp4' if one == 'video' else '.png'}": make_video()
        if one == "video"
        else PNG
        for index, one in enumerate(types)
    }
    there = {name: folder / name for name in {*wanted, "red-panda.mp4"} if (folder / name).exists()}
    right = [name for name, file in there.items() if file.read_bytes() == wanted.get(name)]
    seen = (
        "whole"
        if len(right) == len(wanted) == len(there)
        else "part"
        if right
        else "before"
        if there
        else "none"
    )
    hidden = len([name for name in names(folder) if name.startswith(".")])
    manifest = folder / "red-panda.kling.json"
    is_ours = manifest.exists() and "912345678901234567" in manifest.read_text()
    return f"{seen} {'ours' if is_ours else 'none'} {hidden}"


@pytest.mark.parametrize("case", ["fresh", "claimed", "broken", "replace", *OUTPUTS])
def test_a_worker_killed_at_any_point_neither_blocks_the_retry_nor_shows_half_a_file(
    tmp_path: Path, host: Host, repository: Path, case: str
) -> None:
    host.serve("/video", whole(make_video()))
    host.serve("/image", whole(PNG, "image/png"))
    done = subprocess.run(
        [sys.executable, "-c", KILLED_EVERYWHERE, host.url, str(tmp_path / "videos"), case],
        cwd=repository,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = [line.split("|") for line in done.stdout.splitlines() if line.startswith(("killed|", "through|"))]
    assert [kind for kind, *_ in lines] == ["killed"] * (len(lines) - 1) + ["through"]
    assert len(lines) > 10
    between = {state.rpartition(" ")[0] for _, state, _ in lines}
    # A file of ours never stands there without the manifest that says whose it is, ...
    assert not between & {"whole none", "part none"}
    # ... the kills did hit the moments that matter, ...
    assert between >= {"none ours", "whole ours", *(["part ours"] if case in OUTPUTS else [])}
    # ... and after the retry everything is there and nothing is left over.
    assert {state for *_, state in lines} == {"whole ours 0"}


# The same for a claim: a child claims, "pays" (a file that says so, durable) and saves.
KILLED_CLAIMS = """
import os, shutil, signal, sys
from pathlib import Path
from kling_provider.storage import claim_place, find_saved_result
from tests.unit.storage_stand_ins import finished, names, origin, place, save
import requests, tenacity

link, folder = sys.argv[1], Path(sys.argv[2])
TOUCHES = {"open", "os.link", "os.rename", "os.remove", "os.mkdir", "os.scandir", "fcntl.flock", "os.truncate"}
ours, others = origin("af-ours"), origin("af-others", run_id="manual__2", dag_id="elsewhere")

def pay_and_save(whose, id):
    # Exactly what an operator does: nothing is paid without a place.
    stem = claim_place(place(folder), "red-panda", whose)
    (folder.parent / f"paid-{whose.identity}").touch()
    return save(finished(link, id=id), folder, stem, origin=whose)

def child(kill_at):
    touched = 0
    def hook(event, args):
        nonlocal touched
        if event in TOUCHES and (event == "fcntl.flock" or str(folder) in str(args[0])):
            touched += 1
            if touched == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(hook)
    pay_and_save(ours, "1")

for kill_at in range(1, 200):
    for one in folder.parent.glob("paid-*"):
        one.unlink()
    shutil.rmtree(folder, ignore_errors=True)
    pid = os.fork()
    if not pid:
        child(kill_at)
        os._exit(0)
    _, ended = os.waitpid(pid, 0)
    killed = os.WIFSIGNALED(ended)
    assert killed or ended == 0, ended
    paid = (folder.parent / "paid-af-ours").exists()
    # Another task wants the same file now: it is refused before it pays, or the first one had not paid yet.
    try:
        pay_and_save(others, "2")
    except Exception as error:
        refused = type(error).__name__
        assert "Nothing was sent" in str(error) and not (folder.parent / "paid-af-others").exists()
    else:
        refused = "no"
        assert not paid
        print("killed|taken", flush=True)
        continue
    # The retry of the first one.
    assert pay_and_save(ours, "1").files[0].file.endswith("/red-panda.mp4")
    assert find_saved_result(place(folder), "red-panda", ours) is not None
    assert [one for one in names(folder) if one.startswith(".")] == []
    print("killed" if killed else "through", "paid" if paid else "unpaid", refused, sep="|", flush=True)
    if not killed:
        break
"""


def test_a_worker_killed_between_claim_and_file_loses_nothing_that_was_paid(
    tmp_path: Path, host: Host, repository: Path
) -> None:
    link = host.serve("/a.mp4", whole(make_video()))
    done = subprocess.run(
        [sys.executable, "-c", KILLED_CLAIMS, link, str(tmp_path / "videos")],
        cwd=repository,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith(("killed|", "through|"))]
    assert lines[-1] == "through|paid|KlingRequestError"
    # The kills did hit all three: before the claim, between claim and payment, and after the payment.
    assert set(lines[:-1]) == {
        "killed|taken",
        "killed|unpaid|KlingRequestError",
        "killed|paid|KlingRequestError",
    }


def test_a_claim_whose_task_was_killed_is_listed(tmp_path: Path) -> None:
    claim_place(place(tmp_path), "red-panda", origin())
    (found,) = find_claims(str(tmp_path))
    assert found.claim is not None
    assert (found.claim.dag_id, found.claim.run_id) == ("videos", "manual__1")


def test_parts_of_other_targets_and_of_the_living_stay(tmp_path: Path, host: Host) -> None:
    dead = tmp_path / ".red-panda.kling.json.part-0123abcd"
    dead.write_bytes(b"half")
    others = tmp_path / ".blue-panda.kling.json.part-0123abcd"
    others.write_bytes(b"half")
    save(finished(host.serve("/a.mp4", whole(make_video()))), tmp_path)
    assert names(tmp_path) == [others.name, *SAVED]

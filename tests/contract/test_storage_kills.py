# SPDX-License-Identifier: Apache-2.0
"""A worker that is killed: at every step of saving, and while it downloads."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from kling_provider.storage import Origin, Sidecar, choose_place, claim_place, find_claims, find_saved
from tests.unit.storage_stand_ins import (
    Host,
    film,
    finished,
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
from tests.unit.storage_stand_ins import finished, place, save
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
    assert choose_place(path.parent, "red-panda", origin()).stem == "red-panda"
    assert not save(finished(link), path).reused
    assert part not in names(tmp_path)
    assert (tmp_path / "red-panda.mp4").read_bytes() == film()


# A child is killed at its n-th touch of the folder (every open, link, rename, unlink, lock), for every n until
# one gets through; after each kill the next try runs without one. Forked from one process, so that Airflow is
# imported once.
KILLED_EVERYWHERE = """
import os, shutil, signal, sys
from pathlib import Path
from tests.unit.storage_stand_ins import finished, place, save
from tests.contract.test_storage_kills import prepare, state
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
    save(finished(link), place(folder), replace=case == "replace")
    print("killed" if killed else "through", between, state(folder), sep="|", flush=True)
    if not killed:
        break
"""


def prepare(folder: Path, case: str) -> dict[str, Any]:
    """What stands in the folder before."""
    if case == "claimed":
        claim_place(place(folder).parent, "red-panda", origin())
        return {}
    if case == "replace":
        write_video(folder, film(0.5), origin("af-older", run_id="manual__0"))
        return {"replace": True}
    if case == "broken":
        # Another task of the same identity, whose file was cut.
        write_video(folder, film(0.5)[:400], origin(), size=5000)
    return {}


def write_video(folder: Path, data: bytes, whose: Origin, *, size: int | None = None) -> None:
    sidecar = Sidecar(
        version=1,
        identity=whose.identity,
        kling_task_id="1",
        name=whose.name,
        type=whose.type,
        output_type="video",
        bytes=len(data) if size is None else size,
        sha256=sha256(data).hexdigest(),
        dag_id=whose.dag_id,
        run_id=whose.run_id,
        task_id=whose.task_id,
        map_index=whose.map_index,
    )
    (folder / "red-panda.mp4.json").write_text(sidecar.model_dump_json())
    (folder / "red-panda.mp4").write_bytes(data)


def state(folder: Path) -> str:
    """The film as anybody may see it, its sidecar, and the number of hidden files."""
    film_file, sidecar = folder / "red-panda.mp4", folder / "red-panda.mp4.json"
    seen = "none"
    if film_file.exists():
        seen = "whole" if film_file.read_bytes() == film() else "before"
    hidden = len([name for name in names(folder) if name.startswith(".")])
    claims = sidecar.exists() and "912345678901234567" in sidecar.read_text()
    return f"{seen} {'ours' if claims else 'none'} {hidden}"


@pytest.mark.parametrize("case", ["fresh", "claimed", "broken", "replace"])
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


# The same for a claim: a child claims, "pays" (a file that says so, durable) and saves.
KILLED_CLAIMS = """
import os, shutil, signal, sys
from pathlib import Path
from kling_provider.storage import claim_place, find_saved
from tests.unit.storage_stand_ins import finished, names, origin, place, save
import requests, tenacity

link, folder = sys.argv[1], Path(sys.argv[2])
TOUCHES = {"open", "os.link", "os.rename", "os.remove", "os.mkdir", "os.scandir", "fcntl.flock", "os.truncate"}
ours, others = origin("af-ours"), origin("af-others", run_id="manual__2", dag_id="elsewhere")

def pay_and_save(whose, id):
    # Exactly what an operator does: nothing is paid without a place.
    stem = claim_place(place(folder).parent, "red-panda", whose)
    (folder.parent / f"paid-{whose.identity}").touch()
    return save(finished(link, id=id), place(folder, f"{stem}.mp4"), origin=whose)

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
    assert pay_and_save(ours, "1").file.endswith("/red-panda.mp4")
    assert find_saved(place(folder), "af-ours") is not None
    assert [one for one in names(folder) if one.startswith(".")] == []
    print("killed" if killed else "through", "paid" if paid else "unpaid", refused, sep="|", flush=True)
    if not killed:
        break
"""


def test_a_worker_killed_between_claim_and_file_loses_nothing_that_was_paid(
    tmp_path: Path, host: Host, repository: Path
) -> None:
    link = host.serve("/a.mp4", whole(film()))
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
    claim_place(place(tmp_path).parent, "red-panda", origin())
    (found,) = find_claims(str(tmp_path))
    assert found.claim is not None
    assert (found.claim.dag_id, found.claim.run_id) == ("videos", "manual__1")


def test_parts_of_other_targets_and_of_the_living_stay(tmp_path: Path, host: Host) -> None:
    dead = tmp_path / ".red-panda.mp4.part-0123abcd"
    dead.write_bytes(b"half")
    dead_sidecar = tmp_path / ".red-panda.mp4.json.part-0123abcd"
    dead_sidecar.write_bytes(b"half")
    others = tmp_path / ".blue-panda.mp4.part-0123abcd"
    others.write_bytes(b"half")
    save(finished(host.serve("/a.mp4", whole(film()))), place(tmp_path))
    assert names(tmp_path) == [others.name, "red-panda.mp4", "red-panda.mp4.jpg", "red-panda.mp4.json"]

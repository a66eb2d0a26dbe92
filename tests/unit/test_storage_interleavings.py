# SPDX-License-Identifier: Apache-2.0
"""Two requests for one place, in any order of their steps: each video that is paid is saved, or was refused before.

Each step is one operation on the store. Which task makes the next one is generated, and where a task is killed.
"""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import ObjectStoragePath
from airflow.sdk.io import attach
from fsspec.implementations.memory import MemoryFileSystem
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kling_provider.exceptions import KlingRequestError
from kling_provider.storage import (
    Origin,
    claim_place,
    destination_path,
    find_claims,
    find_saved_result,
    release_claim,
    release_place,
    save_outputs,
    stem_beside,
    stores,
)
from kling_provider.storage.parts import PartFile
from tests.unit.storage_stand_ins import finished, make_video, origin, running_host, whole

STEM = "red-panda"
_numbers = count()


class Killed(BaseException):
    """The worker's process is gone; nothing of it touches the store any more."""


@dataclass
class Actor:
    """A task that makes a step when it is told to."""

    go: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    stopped: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    steps: int = 0
    kill_at: int | None = None
    ended: bool = False
    error: BaseException | None = None

    def step(self) -> None:
        self.stopped.release()
        self.go.acquire()
        self.steps += 1
        if self.kill_at is not None and self.steps >= self.kill_at:
            raise Killed

    def run(self, body: Callable[[], None]) -> None:
        _now.actor = self
        self.go.acquire()
        try:
            body()
        except Killed:
            pass
        except BaseException as error:
            self.error = error
        self.ended = True
        self.stopped.release()


_now = threading.local()


def step() -> None:
    if (actor := getattr(_now, "actor", None)) is not None:
        actor.step()


def play(actors: list[tuple[Actor, Callable[[], None]]], schedule: list[int]) -> None:
    """Run them one step at a time: ``schedule`` says whose turn it is, by its place among those that still run."""
    threads = [threading.Thread(target=actor.run, args=(body,), daemon=True) for actor, body in actors]
    for thread in threads:
        thread.start()
    turns = iter(schedule)
    while running := [actor for actor, _ in actors if not actor.ended]:
        actor = running[next(turns, 0) % len(running)]
        actor.go.release()
        assert actor.stopped.acquire(timeout=20)
    for thread in threads:
        thread.join()
    for actor, _ in actors:
        if actor.error is not None:
            raise actor.error


class Bucket(MemoryFileSystem):
    """An object store whose every call is a step; a create with a condition is one call."""

    cachable = False

    def __init__(self) -> None:
        super().__init__(skip_instance_cache=True)
        self.store: dict[str, Any] = {}
        self.pseudo_dirs = ["", "/bucket"]

    def info(self, path: str, **more: Any) -> Any:
        step()
        return super().info(path, **more)

    def cat_file(self, path: str, *more: Any, **options: Any) -> Any:
        step()
        return super().cat_file(path, *more, **options)

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **more: Any) -> None:
        step()
        super().pipe_file(path, value, mode, **more)

    def put_file(self, lpath: str, rpath: str, **more: Any) -> None:
        self.pipe_file(rpath, Path(lpath).read_bytes())

    def rm_file(self, path: str) -> None:
        step()
        super().rm_file(path)


class Disk(stores.LocalStore):
    """The local disk, whose every operation is a step."""

    def get_size(self, path: ObjectStoragePath) -> int | None:
        step()
        return super().get_size(path)

    def read_file(self, path: ObjectStoragePath) -> bytes:
        step()
        return super().read_file(path)

    def has_bytes(self, path: ObjectStoragePath, sha256: str) -> bool:
        step()
        return super().has_bytes(path, sha256)

    def remove_file(self, path: ObjectStoragePath) -> None:
        step()
        super().remove_file(path)

    def publish_part(self, part: PartFile, path: ObjectStoragePath) -> None:
        step()
        super().publish_part(part, path)

    def write_file(self, path: ObjectStoragePath, data: bytes, *, new: bool) -> None:
        if not new:  # as new it is published
            step()
        super().write_file(path, data, new=new)


@pytest.fixture(scope="module")
def links() -> Iterator[str]:
    """Where the results lie."""
    with running_host() as host:
        host.serve("/0.mp4", whole(make_video()))
        host.serve("/1.mp4", whole(make_video(0.5)))
        host.serve("/old.mp4", whole(make_video(0.3)))
        yield host.url


@pytest.fixture(params=["disk", "bucket"])
def new_place(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """A new empty destination, each time."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(stores, "_LOCAL", Disk())

    def made() -> ObjectStoragePath:
        if request.param == "disk":
            shutil.rmtree(tmp_path / "videos", ignore_errors=True)
            return destination_path(str(tmp_path / "videos"))
        conn = f"turns{next(_numbers)}"
        attach("s3", conn, fs=Bucket())
        return destination_path("s3://bucket/videos", conn)

    return made


@dataclass
class Task:
    """What an operator does: claims, pays, saves; a retry goes on with what it paid."""

    root: ObjectStoragePath
    number: int
    whose: Origin
    replace: bool
    links: str
    outputs: int = 1
    stem: str | None = None
    refused: bool = False
    saved: bool = False

    @property
    def urls(self) -> list[str]:
        return [f"{self.links}/{self.number}.mp4"] * self.outputs

    def begin(self) -> None:
        try:
            stem = claim_place(self.root, STEM, self.whose, replace=self.replace)
        except KlingRequestError:
            self.refused = True
            return
        step()
        self.stem = stem  # the record of what is sent, and the payment
        self.save()

    def save(self) -> None:
        task = finished(*self.urls, id=f"kling-{self.number}")
        beside = stem_beside(STEM, self.whose.identity)
        save_outputs(
            task,
            self.root,
            str(self.stem),
            origin=self.whose,
            beside=[] if beside == self.stem else [beside],
            replace=self.replace,
            refresh=lambda: task,
        )
        release_place(self.root, STEM, self.whose)
        actor, _now.actor = getattr(_now, "actor", None), None
        self.saved = self.is_delivered  # as it is in this moment: nobody else makes a step
        _now.actor = actor

    def retry(self) -> None:
        self.saved = self.saved or self.is_delivered
        if self.saved and self.replace:
            release_place(self.root, STEM, self.whose)
        if not self.saved:
            self.begin() if self.stem is None else self.save()

    @property
    def is_delivered(self) -> bool:
        found = find_saved_result(self.root, STEM, self.whose, keep_form=True)
        if found is None:
            return False
        expected = make_video() if self.number == 0 else make_video(0.5)
        folder = found.path.parent
        data = [folder.fs.cat_file((folder / name).path) for name in found.manifest.files]
        return data == [expected] * self.outputs and found.manifest.kling_task_id == f"kling-{self.number}"


def other_of(relation: str) -> dict[str, Any]:
    return {
        "another run": {"run_id": "manual__2"},
        "another entry": {"map_index": 4},
        "another prompt": {},
        "another Dag": {"dag_id": "trailers"},
        "another name": {"name": "red panda"},
        "another kind": {"type": "image_to_video", "task_id": "clip"},
    }[relation]


RELATIONS = ["another run", "another entry", "another prompt", "another Dag", "another name", "another kind"]
steps = st.none() | st.integers(1, 40)


@pytest.mark.slow
@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    relation=st.sampled_from(RELATIONS),
    replace=st.tuples(st.booleans(), st.booleans()),
    before=st.sampled_from(["nothing", "an older video", "a file of others"]),
    outputs=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    kills=st.tuples(steps, steps),
    schedule=st.lists(st.integers(0, 1), max_size=80),
)
def test_each_paid_video_is_saved_or_was_refused_before_paying(
    relation: str,
    replace: tuple[bool, bool],
    before: str,
    outputs: tuple[int, int],
    kills: tuple[int | None, int | None],
    schedule: list[int],
    new_place: Callable[[], ObjectStoragePath],
    links: str,
) -> None:
    root = new_place()
    if before == "an older video":
        old = finished(f"{links}/old.mp4", id="old")
        whose = origin("af-" + "0" * 8 + "e" * 32, run_id="manual__0")
        save_outputs(old, root, STEM, origin=whose, refresh=lambda: old)
    elif before == "a file of others":
        root.fs.makedirs(root.path, exist_ok=True)
        root.fs.pipe_file((root / f"{STEM}.mp4").path, b"somebody's")
    origins = [
        origin("af-" + "0" * 8 + "a" * 32),
        origin("af-" + "0" * 8 + "b" * 32, **other_of(relation)),
    ]
    tasks = [
        Task(root, number, origins[number], replace[number], links, outputs[number]) for number in (0, 1)
    ]
    actors = [Actor(kill_at=kill) for kill in kills]
    play([(actor, task.begin) for actor, task in zip(actors, tasks, strict=True)], schedule)
    for task in tasks:
        task.retry()  # Airflow's, after the kill; whoever is through finds its video
    for task, other in zip(tasks, reversed(tasks), strict=True):
        assert task.refused is (task.stem is None)
        assert task.refused is not task.saved
        # And it stays, unless another run was told to replace what was there.
        may_go = other.replace and other.stem == STEM and relation in ("another run", "another prompt")
        assert task.is_delivered is task.saved or may_go
    if before == "a file of others":
        assert all(task.refused for task in tasks)
        assert root.fs.cat_file((root / f"{STEM}.mp4").path) == b"somebody's"
    else:
        # Somebody gets the place, and of one Dag, task and name everybody gets one.
        same = relation in ("another run", "another entry", "another prompt", "another kind")
        assert [task.refused for task in tasks].count(True) <= (0 if same else 1)
    assert find_claims(str(root), root.conn_id) == []


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    relation=st.sampled_from(RELATIONS),
    schedule=st.lists(st.integers(0, 1), max_size=60),
    released_at=st.integers(0, 30),
)
def test_a_claim_that_a_person_releases_too_early_loses_nothing_that_was_paid(
    relation: str,
    schedule: list[int],
    released_at: int,
    new_place: Callable[[], ObjectStoragePath],
    links: str,
) -> None:
    root = new_place()
    whose = other_of(relation)
    first = Task(root, 0, origin("af-" + "0" * 8 + "a" * 32), False, links)
    second = Task(root, 1, origin("af-" + "0" * 8 + "b" * 32, **whose), False, links)

    # The first one has paid and waits; somebody takes its claim away; the second one wants the place.
    first.stem = claim_place(root, STEM, first.whose)
    for found in find_claims(str(root), root.conn_id):
        assert release_claim(found)
    play([(Actor(), first.save), (Actor(), second.begin)], [0] * released_at + schedule)
    assert first.is_delivered
    assert second.refused is not second.is_delivered

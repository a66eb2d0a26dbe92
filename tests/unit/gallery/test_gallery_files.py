# SPDX-License-Identifier: Apache-2.0
"""How files are opened, and how their digests are made and remembered."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from kling_provider.plugins.gallery.digests import Digests, TooManyFiles
from kling_provider.plugins.gallery.opening import OpenFile, open_below

CONTENT = bytes(range(256)) * 5000


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root" / "deep").mkdir(parents=True)
    (tmp_path / "root" / "deep" / "a.mp4").write_bytes(CONTENT)
    return tmp_path / "root"


def test_a_file_is_read_from_where_it_was_opened(root: Path) -> None:
    file = open_below(root, ["deep", "a.mp4"])
    (root / "deep" / "a.mp4").unlink()
    (root / "deep" / "a.mp4").write_bytes(b"another")
    assert (file.size, file.suffix) == (len(CONTENT), ".mp4")
    assert file.read(10, 300) == CONTENT[300:310]
    assert not (root / "deep" / "a.mp4").samefile(f"/proc/self/fd/{file._descriptor}")


def a_link(place: Path) -> None:
    place.symlink_to("/etc/hostname")


def a_pipe(place: Path) -> None:
    os.mkfifo(place)


def a_folder(place: Path) -> None:
    place.mkdir()


def nothing(place: Path) -> None:
    pass


@pytest.mark.parametrize("make", [a_link, a_pipe, a_folder, nothing], ids=lambda make: make.__name__)
def test_what_is_no_regular_file_is_not_opened(root: Path, make: Callable[[Path], None]) -> None:
    make(root / "deep" / "b.mp4")
    with pytest.raises(OSError, match=r"."):
        open_below(root, ["deep", "b.mp4"])


@pytest.mark.parametrize("parts", [["link", "a.mp4"], ["link", "..", "a.mp4"], ["deep", "a.mp4", "b"]])
def test_no_step_is_a_link_or_a_file(root: Path, parts: list[str]) -> None:
    (root / "link").symlink_to(root / "deep")
    with pytest.raises(OSError, match=r"."):
        open_below(root, parts)


def test_a_file_that_nobody_holds_is_closed(root: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(50):
        open_below(root, ["deep", "a.mp4"])
        with pytest.raises(OSError, match=r"."):
            open_below(root, ["deep", "no.mp4"])
    gc.collect()
    assert len(list(Path("/proc/self/fd").iterdir())) <= before


class Watched(OpenFile):
    """Counts who reads it, and lets the reader wait."""

    reads = 0

    def __init__(self, root: Path, go_on: threading.Event) -> None:
        path = root / "deep" / "a.mp4"
        super().__init__(os.open(path, os.O_RDONLY), path.name, (0, 0))
        self.go_on = go_on

    def read(self, length: int, offset: int = 0) -> bytes:
        if offset == 0:
            type(self).reads += 1
            assert self.go_on.wait(20)
        return super().read(length, offset)


def test_one_digest_at_a_time_per_file_and_remembered(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Watched, "reads", 0)
    digests, go_on = Digests(), threading.Event()

    async def ask() -> list[str | None]:
        waiting = [asyncio.ensure_future(digests.compute_digest(Watched(root, go_on))) for _ in range(8)]
        await asyncio.sleep(0)
        waiting[0].cancel()  # who goes away takes nothing from the others
        await asyncio.sleep(0)
        go_on.set()
        return await asyncio.gather(*waiting[1:])

    assert set(asyncio.run(ask())) == {hashlib.sha256(CONTENT).hexdigest()}
    assert Watched.reads == 1
    # In another event loop, and for another open file of the same content.
    assert asyncio.run(digests.compute_digest(Watched(root, go_on))) == hashlib.sha256(CONTENT).hexdigest()
    assert Watched.reads == 1


def test_only_so_many_files_wait_and_are_remembered(root: Path) -> None:
    go_on = threading.Event()
    digests = Digests(remembered=1, at_once=1, waiting=1)
    other = root / "deep" / "b.mp4"
    other.write_bytes(b"other")

    async def ask() -> None:
        first = asyncio.ensure_future(digests.compute_digest(Watched(root, go_on)))
        await asyncio.sleep(0)
        with pytest.raises(TooManyFiles):
            await digests.compute_digest(open_below(root, ["deep", "b.mp4"]))
        go_on.set()
        await first
        assert (
            await digests.compute_digest(open_below(root, ["deep", "b.mp4"]))
            == hashlib.sha256(b"other").hexdigest()
        )

    asyncio.run(ask())
    assert len(digests._known) == 1


def test_a_file_that_changes_while_it_is_read_has_no_digest(root: Path) -> None:
    digests, go_on = Digests(), threading.Event()

    async def ask() -> str | None:
        file = Watched(root, go_on)
        waiting = asyncio.ensure_future(digests.compute_digest(file))
        await asyncio.sleep(0)
        with (root / "deep" / "a.mp4").open("ab") as writer:
            writer.write(b"more")
        go_on.set()
        return await waiting

    assert asyncio.run(ask()) is None
    assert len(digests._known) == 0

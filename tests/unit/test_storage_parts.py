# SPDX-License-Identifier: Apache-2.0
"""Temporary files while others clean up beside them."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from kling_provider.storage.parts import part_file, remove_dead


@pytest.mark.slow
def test_a_part_stays_while_others_clean_up(tmp_path: Path) -> None:
    """Who cleans up may hold the lock of a part that was just made."""
    done = threading.Event()

    def clean_up() -> None:
        while not done.is_set():
            remove_dead(tmp_path, ".video.part-")

    threads = [threading.Thread(target=clean_up) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for number in range(500):
            with part_file(tmp_path, ".video.part-") as part:
                part.file.write(b"video")
                part.sync()
                assert part.path.exists(), f"part {number} was taken for dead"
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert list(tmp_path.iterdir()) == []


def test_what_a_dead_process_left_goes(tmp_path: Path) -> None:
    left, other = tmp_path / ".video.part-0123abcd", tmp_path / ".other.part-0123abcd"
    left.write_bytes(b"half a video")
    other.write_bytes(b"of another file")
    with part_file(tmp_path, ".video.part-") as part:
        remove_dead(tmp_path, ".video.part-")
        assert sorted(tmp_path.iterdir()) == sorted([other, part.path])

# SPDX-License-Identifier: Apache-2.0
"""Saving to object stores and file servers: nothing is visible before it is complete, whatever fails."""

from __future__ import annotations

import io
import tempfile
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import ObjectStoragePath
from airflow.sdk.io import attach
from fsspec.implementations.memory import MemoryFileSystem
from PIL import Image as Pillow

from kling_provider.exceptions import KlingRequestError, KlingStorageError
from kling_provider.storage import (
    Manifest,
    choose_place,
    claim_place,
    destination_path,
    find_saved_result,
    save_outputs,
)
from kling_provider.storage.inputs import load_input
from tests.unit.storage_stand_ins import Host, finished, make_video, origin, whole

pytestmark = pytest.mark.airflow_version
_numbers = count()


class StoreError(Exception):
    """Object stores raise classes of their own."""


class Bucket(MemoryFileSystem):
    """Keys appear when their upload is complete. ``fault`` breaks the next upload of a video."""

    def __init__(self) -> None:
        super().__init__(skip_instance_cache=True)
        self.store: dict[str, Any] = {}
        self.pseudo_dirs = ["", "/bucket"]
        self.fault = ""
        self.seen: list[set[str]] = []

    cachable = False

    @property
    def keys(self) -> set[str]:
        return set(self.store)

    def _take_fault(self, path: str) -> str:
        if ".jpg" in path:  # a poster
            return ""
        fault, self.fault = self.fault, ""
        return fault

    def put_file(self, lpath: str, rpath: str, **more: Any) -> None:
        fault = self._take_fault(rpath)
        data = Path(lpath).read_bytes()
        if fault == "refused":
            raise StoreError("403 for https://bucket.example/k?X-Amz-Signature=s3cr3t: denied")
        self.seen.append(self.keys)
        self.pipe_file(rpath, data[:100] if fault == "short" else data)


class Server(Bucket):
    """A file server: a file is visible while it is written."""

    def put_file(self, lpath: str, rpath: str, **more: Any) -> None:
        fault = self._take_fault(rpath)
        data = Path(lpath).read_bytes()
        self.pipe_file(rpath, data[:100])
        self.seen.append(self.keys)
        if fault:
            raise OSError(28, "No space left on device")
        self.pipe_file(rpath, data)


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The worker's folder for temporary files."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture(params=["s3", "sftp"])
def store(request: pytest.FixtureRequest) -> Bucket:
    filesystem = Bucket() if request.param == "s3" else Server()
    filesystem.scheme, filesystem.conn = request.param, f"conn{next(_numbers)}"
    attach(filesystem.scheme, filesystem.conn, fs=filesystem)
    return filesystem


def place(store: Bucket) -> ObjectStoragePath:
    # An sftp address has its host in the connection.
    root = f"{store.scheme}://{'/' if store.scheme == 'sftp' else ''}bucket"
    return destination_path(f"{root}/videos", store.conn)


def save(link: str, root: ObjectStoragePath, **more: Any) -> Any:
    return save_outputs(
        finished(link), root, STEM, **({"origin": origin(), "refresh": lambda: finished(link)} | more)
    )


STEM = "a/panda"
VIDEO = "/bucket/videos/a/panda.mp4"
MANIFEST = "/bucket/videos/a/panda.kling.json"
ALL = {VIDEO, f"{VIDEO}.jpg", MANIFEST}


def test_a_video_and_its_manifest(store: Bucket, host: Host, temporary: Path) -> None:
    link, root = host.serve("/a.mp4", whole(make_video())), place(store)
    assert choose_place(root, STEM, origin()).stem == STEM
    saved = save(link, root)
    assert store.keys == ALL
    assert store.cat_file(VIDEO) == make_video()
    [file] = saved.files
    assert file.file == str(root / "a/panda.mp4")
    assert f"{store.scheme}://{store.conn}@" in file.file
    assert ObjectStoragePath(file.file).fs is store
    assert list(temporary.iterdir()) == []
    assert all("/bucket/videos/a/panda.mp4" not in keys for keys in store.seen)

    assert save(link, root).reused
    found = find_saved_result(root, STEM, origin())
    assert found is not None
    assert found.manifest == saved.manifest == Manifest.model_validate_json(store.cat_file(MANIFEST))
    assert found.files == saved.files
    assert len(host.seen) == 1


@pytest.mark.parametrize("fault", ["refused", "short"])
def test_an_upload_that_fails_leaves_no_video(store: Bucket, host: Host, temporary: Path, fault: str) -> None:
    link, root = host.serve("/a.mp4", whole(make_video())), place(store)
    store.fault = fault
    with pytest.raises(KlingStorageError, match="stays at Kling until") as error:
        save(link, root)
    assert "s3cr3t" not in str(error.value)
    assert error.value.__cause__ is None
    assert VIDEO not in store.keys
    assert list(temporary.iterdir()) == []
    assert find_saved_result(root, STEM, origin()) is None
    assert choose_place(root, STEM, origin()).stem == STEM
    assert not save(link, root).reused
    assert store.keys == ALL
    assert store.cat_file(VIDEO) == make_video()


def test_what_killed_workers_left_is_removed(store: Bucket, host: Host, temporary: Path) -> None:
    (temporary / ".kling-download.part-00000000").write_bytes(b"half a video")
    root = place(store)
    if store.scheme == "sftp":
        store.pipe_file("/bucket/videos/a/.panda.mp4.part", b"half a video")
    save(host.serve("/a.mp4", whole(make_video())), root)
    assert list(temporary.iterdir()) == []
    assert store.keys == ALL


def test_a_file_of_others_is_never_overwritten(store: Bucket, host: Host) -> None:
    link, root = host.serve("/a.mp4", whole(make_video())), place(store)
    store.pipe_file(VIDEO, b"somebody's")
    for replace in (False, True):
        with pytest.raises(KlingRequestError, match="no manifest names it"):
            claim_place(root, STEM, origin(), replace=replace)
        with pytest.raises(KlingRequestError, match="no manifest names it"):
            save(link, root, replace=replace)
    assert store.keys == {VIDEO}
    assert store.cat_file(VIDEO) == b"somebody's"


def test_a_cut_file_is_made_again_and_an_edited_one_is_not(store: Bucket, host: Host) -> None:
    link, root = host.serve("/a.mp4", whole(make_video())), place(store)
    save(link, root)
    store.pipe_file(VIDEO, make_video()[:5000])
    assert find_saved_result(root, STEM, origin()) is None
    save(link, root)
    assert store.cat_file(VIDEO) == make_video()
    store.pipe_file(VIDEO, make_video(0.5))
    with pytest.raises(KlingRequestError, match="was changed after it was saved"):
        save(link, root)


def test_a_bucket_that_does_not_exist_is_told_before_the_payment() -> None:
    conn = f"conn{next(_numbers)}"
    attach("s3", conn, fs=Bucket())
    with pytest.raises(KlingStorageError, match=r"there is no bucket bukcet\. Nothing was sent"):
        claim_place(destination_path("s3://bukcet/videos", conn), "a", origin())


def test_a_store_that_does_not_answer(store: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise StoreError("no route to https://bucket.example/?token=s3cr3t")

    monkeypatch.setattr(store, "info", broken)
    for ask in (
        lambda: claim_place(place(store), STEM, origin()),
        lambda: find_saved_result(place(store), STEM, origin()),
        lambda: load_input(str(place(store) / "a.png")),
    ):
        with pytest.raises(KlingStorageError, match=r"StoreError: no route to .*Nothing was sent") as error:
            ask()
        assert "s3cr3t" not in str(error.value)


def test_images_come_from_object_stores_too(store: Bucket) -> None:
    target = io.BytesIO()
    Pillow.new("RGB", (400, 300)).save(target, "PNG")
    store.pipe_file("/bucket/pictures/a.png", target.getvalue())
    address = str(place(store)).partition("/videos")[0] + "/pictures"
    assert load_input(f"{address}/a.png").wire == load_input("a.png", base=address).wire
    with pytest.raises(KlingRequestError, match="there is no file"):
        load_input("b.png", base=address)

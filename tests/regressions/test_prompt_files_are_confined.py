# SPDX-License-Identifier: Apache-2.0
"""Prompt files may come from somebody else: what they lead to ends at their own folder, and so does the reading."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.io import attach
from fsspec.implementations.memory import MemoryFileSystem
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from kling_provider.exceptions import KlingRequestError
from kling_provider.prompts import load_prompts


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with one prompt, beside a folder with somebody's secrets."""
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "a.md").write_text("A red panda")
    (tmp_path / "secrets" / "deep").mkdir(parents=True)
    (tmp_path / "secrets" / "keys.txt").write_text("the first key\nthe second key\n")
    (tmp_path / "secrets" / "deep" / "more.yaml").write_text("prompt: the third key")
    Image.new("RGB", (640, 640)).save(tmp_path / "secrets" / "badge.png")
    return tmp_path / "prompts"


@pytest.mark.parametrize(
    ("link", "to"),
    [
        ("keys.txt", "../secrets/keys.txt"),
        ("etc", "../secrets"),
        ("sub/etc", "../../secrets/deep"),
        ("defaults.yaml", "../secrets/deep/more.yaml"),
        ("chain.md", "hop"),
    ],
)
def test_a_link_out_of_the_folder_is_refused(link: str, to: str, folder: Path) -> None:
    (folder / link).parent.mkdir(exist_ok=True)
    (folder / "hop").symlink_to("../secrets/keys.txt")
    (folder / link).symlink_to(to)
    with pytest.raises(KlingRequestError, match="a link out of the folder") as refused:
        load_prompts(folder)
    assert "key" not in str(refused.value).replace("keys.txt", "")


@given(
    up=st.integers(1, 4),
    name=st.sampled_from(["x.md", "x.txt", "x.csv", "x.jsonl", "x", "x.yaml"]),
    absolute=st.booleans(),
)
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_way_up_is_followed(up: int, name: str, absolute: bool, tmp_path: Path) -> None:
    place = tmp_path / f"{up}{name}{absolute}"
    inner = place.joinpath(*["d"] * up)
    inner.mkdir(parents=True, exist_ok=True)
    outside = place / ("out" if name == "x" else f"out{Path(name).suffix}")
    if name == "x":
        outside.mkdir(exist_ok=True)
        (outside / "y.md").write_text("outside")
    else:
        outside.write_text('{"prompt": "outside"}')
    (inner / "a.md").write_text("inside")
    if not (inner / name).is_symlink():
        (inner / name).symlink_to(outside if absolute else Path(*[".."] * up, outside.name))
    try:
        found = [request["prompt"] for request in load_prompts(inner)]
    except KlingRequestError:
        return
    assert found == ["inside"]


def finished(call: Callable[[], Any], unblock: Callable[[], Any]) -> list[Any]:
    """What ``call`` returned or raised; it must come back by itself."""
    found: list[Any] = []

    def run() -> None:
        try:
            found.append(call())
        except Exception as error:
            found.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(20)
    hangs = thread.is_alive()
    if hangs:
        unblock()
        thread.join(20)
    assert not hangs, "it waits for somebody to write into a named pipe"
    return found


@pytest.mark.parametrize("name", ["pipe.md", "sub/pipe.txt", "defaults.yaml"])
def test_a_named_pipe_is_refused_and_nobody_waits_for_it(name: str, folder: Path) -> None:
    pipe = folder / name
    pipe.parent.mkdir(exist_ok=True)
    os.mkfifo(pipe)
    found = finished(
        lambda: load_prompts(folder), lambda: os.close(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
    )
    assert [type(error) for error in found] == [KlingRequestError]
    assert "regular file" in str(found[0])


def test_a_pipe_that_the_dag_itself_names_is_refused_as_well(folder: Path) -> None:
    pipe = folder / "pipe.md"
    os.mkfifo(pipe)
    found = finished(lambda: load_prompts(pipe), lambda: os.close(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)))
    assert [type(error) for error in found] == [KlingRequestError]
    assert "regular file" in str(found[0])


def test_a_device_is_refused(folder: Path) -> None:
    (folder / "zero.txt").symlink_to("/dev/null")
    with pytest.raises(KlingRequestError, match=r"a link out of the folder|regular file"):
        load_prompts(folder)


def test_a_file_has_a_size_that_somebody_could_have_written(folder: Path) -> None:
    with (folder / "b.md").open("wb") as file:
        file.write(b"A" * 100)
        file.seek(17 * 1024 * 1024)
        file.write(b"A")
    with pytest.raises(KlingRequestError, match=r"b\.md: has more than 16 MB"):
        load_prompts(folder)


def head(frame: object) -> str:
    return f"---\ntype: image_to_video\nfirst_frame: {frame}\n---\nIt turns\n"


@pytest.mark.parametrize(
    "frame",
    [
        "../secrets/badge.png",
        "{absolute}",
        "file://{absolute}",
        "pictures/../../secrets/badge.png",
        "link.png",
        "linked/badge.png",
        "s3://somebody/badge.png",
    ],
)
def test_a_prompt_file_names_images_below_its_own_folder(frame: str, folder: Path) -> None:
    (folder / "pictures").mkdir()
    (folder / "link.png").symlink_to("../secrets/badge.png")
    (folder / "linked").symlink_to("../secrets")
    absolute = folder.parent / "secrets" / "badge.png"
    (folder / "b.md").write_text(head(frame.format(absolute=absolute)))
    with pytest.raises(KlingRequestError, match="what prompt files may name"):
        load_prompts(folder / "b.md")


def test_a_path_that_looks_like_base64_is_a_path(folder: Path) -> None:
    secret = folder.parent / "secrets" / "badge"
    (folder.parent / "secrets" / "badge.png").rename(secret)
    (folder / "b.md").write_text(head("/" * 300 + str(secret).replace("_", "").replace("-", "")))
    try:
        (request,) = load_prompts(folder / "b.md")
    except KlingRequestError:
        return
    pytest.fail(f"a path went through as if it were an image: {request['first_frame'][-40:]}")


_numbers = count()


class Bucket(MemoryFileSystem):
    cachable = False

    def __init__(self) -> None:
        super().__init__(skip_instance_cache=True)
        self.store: dict[str, Any] = {}
        self.pseudo_dirs = [""]

    def exists(self, path: str, **_: Any) -> bool:
        path = self._strip_protocol(path)
        return any(key == path or key.startswith(f"{path}/") for key in self.store)


@pytest.fixture
def bucket() -> tuple[str, Bucket]:
    """The connection of two buckets, each with an image."""
    conn_id, store = f"buckets{next(_numbers)}", Bucket()
    attach("s3", conn_id, fs=store)
    for key in ("/bucket/images/a.png", "/other/images/a.png"):
        store.pipe_file(key, b"x")
    return conn_id, store


@pytest.mark.parametrize(
    ("frame", "says"),
    [
        ("file://{disk}", "a path of the worker"),
        ("local://{disk}", "a path of the worker"),
        ("s3://{conn}@other/images/a.png", "prompt files may name"),
        ("s3://somebody@bucket/images/a.png", "prompt files may name"),
    ],
)
def test_a_prompt_file_in_a_bucket_names_nothing_of_the_worker_or_of_others(
    frame: str, says: str, folder: Path, bucket: tuple[str, Bucket]
) -> None:
    conn_id, store = bucket
    disk = folder.parent / "secrets" / "badge.png"
    store.pipe_file("/bucket/prompts/b.md", head(frame.format(disk=disk, conn=conn_id)).encode())
    with pytest.raises(KlingRequestError, match=says):
        load_prompts(f"s3://{conn_id}@bucket/prompts")

# SPDX-License-Identifier: Apache-2.0
"""A sandbox with ``state_dir`` is the same Kling after it was stopped, killed and started anew."""

from __future__ import annotations

import base64
import dataclasses
import json
import math
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from kling_provider.sandbox import Sandbox
from kling_provider.sandbox.media.inputs import InputImage
from kling_provider.sandbox.state.journal import NAME, Journal
from kling_provider.sandbox.state.tasks import CreateRequest, Task
from tests.contract.sandbox_client import TIMEOUT, Client, png, refused

REPOSITORY = Path(__file__).parents[2]


def sandbox_in(folder: Path, **options: Any) -> Sandbox:
    return Sandbox(state_dir=folder, **{"time_scale": 1, "concurrency": 100, **options})


def test_tasks_links_and_ids_outlive_a_restart(tmp_path: Path) -> None:
    image_data = base64.b64encode(png(400, 300)).decode()
    with sandbox_in(tmp_path) as sandbox:
        client = Client(sandbox)
        before = client.finished(external_id="a", duration=3)
        legacy = client.legacy(external_task_id="b", duration="5").json()["data"]["task_id"]
        from_image = client.post(
            "/image-to-video/kling-3.0",
            {"contents": [{"type": "first_frame", "url": image_data}], "settings": {"duration": 3}},
        ).json()["data"]["id"]
        failed = client.made(prompt="a")
        known = {task.id: task for task in sandbox.backend.all()}
    with sandbox_in(tmp_path) as sandbox:
        client = Client(sandbox)
        after = client.task(before["id"])
        link = before["outputs"][0]["url"]
        moved = link.replace(link.split("/files/")[0], sandbox.url)  # another port, the same signature
        assert after["outputs"][0]["url"] == moved
        assert requests.get(moved, timeout=TIMEOUT).headers["Content-Type"] == "video/mp4"
        assert {key: value for key, value in after.items() if key != "outputs"} == {
            key: value for key, value in before.items() if key != "outputs"
        }
        restored = {task.id: task for task in sandbox.backend.all()}
        for kling_task_id in (legacy, from_image, failed):
            assert restored[kling_task_id] == known[kling_task_id]
        refused(client.create_video(external_id="a"), 400, 1201, "already exists")
        refused(client.legacy(external_task_id="b"), 400, 1201, "already exists")
        assert int(client.made()) > max(map(int, known))
        sandbox.advance(120)
        assert client.task(from_image)["status"] == "succeeded"


def test_what_renders_goes_on_and_takes_its_place(tmp_path: Path) -> None:
    with sandbox_in(tmp_path, concurrency=1, render_seconds=30) as sandbox:
        running = Client(sandbox).made()
    with sandbox_in(tmp_path, concurrency=1, render_seconds=30) as sandbox:
        client = Client(sandbox)
        refused(client.create_video(), 429, 1303)
        sandbox.advance(31)
        assert client.task(running)["status"] == "succeeded"
        assert sandbox.stats()["units"]["default"]["spent"] == "3"
        client.made()


def test_the_clock_does_not_go_back(tmp_path: Path) -> None:
    with sandbox_in(tmp_path) as sandbox:
        sandbox.advance(7 * 86400)
        task = Client(sandbox).finished()
        now = sandbox.stats()["now"]
    with sandbox_in(tmp_path) as sandbox:
        assert int(str(sandbox.stats()["now"])) >= int(str(now))
        assert Client(sandbox).task(task["id"])["status"] == "succeeded"


def test_a_reset_forgets_for_good(tmp_path: Path) -> None:
    with sandbox_in(tmp_path) as sandbox:
        client = Client(sandbox)
        client.made(external_id="a")
        sandbox.reset()
        kept = client.made(external_id="b")
    with sandbox_in(tmp_path) as sandbox:
        assert [task.id for task in sandbox.backend.all()] == [kept]
        Client(sandbox).made(external_id="a")


def test_without_a_folder_nothing_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with Sandbox() as sandbox:
        Client(sandbox).made()
    with Sandbox() as sandbox:
        assert sandbox.backend.all() == []
    assert list(tmp_path.iterdir()) == []


def test_a_killed_sandbox_has_kept_what_it_answered(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "kling_provider.sandbox", "--state-dir", str(tmp_path / "state")]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        words = process.stdout.readline().split()
        answer = requests.post(
            f"{words[3]}/text-to-video/kling-3.0",
            json={"prompt": "A red panda"},
            headers={"Authorization": f"Bearer {words[5]}"},
            timeout=TIMEOUT,
        )
        process.send_signal(signal.SIGKILL)
    with sandbox_in(tmp_path / "state") as sandbox:
        assert [task.id for task in sandbox.backend.all()] == [answer.json()["data"]["id"]]


@pytest.mark.parametrize("cut", [1, 20, -1])
def test_a_line_that_a_kill_cut_off_is_dropped(tmp_path: Path, cut: int) -> None:
    with sandbox_in(tmp_path) as sandbox:
        first, second = (Client(sandbox).made() for _ in range(2))
    file = tmp_path / NAME
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(lines[:-1]) + lines[-1][:cut])
    with sandbox_in(tmp_path) as sandbox:
        assert [task.id for task in sandbox.backend.all()] == [first]
        third = Client(sandbox).made()
    with sandbox_in(tmp_path) as sandbox:
        assert [task.id for task in sandbox.backend.all()] == [first, third]
    assert second not in (first, third)


@pytest.mark.parametrize(
    "text",
    [
        "hello\n",
        "[]\n",
        '{"task": {}}\n',
        '{"task": null}\n',
        '{"film": 1}\n',
        '{"secret": 5}\n',
        '{"deduction": {}}\n',
        '{"deleted": "1", "task_id": "2"}\n',
    ],
)
def test_a_file_of_somebody_else_is_left_alone(tmp_path: Path, text: str) -> None:
    (tmp_path / NAME).write_text(text)
    with pytest.raises(
        ValueError, match=r"tasks.jsonl:1 was not written by this version .*move the file away"
    ):
        sandbox_in(tmp_path).start()
    assert (tmp_path / NAME).read_text() == text


TEXTS = st.text(max_size=20) | st.sampled_from(["竹林里的熊猫", "\ud83d", "\x00", "a\u2028b"])
IMAGES = st.builds(InputImage, data=st.none() | st.binary(max_size=30), url=st.none() | TEXTS)
REQUESTS = st.builds(
    CreateRequest,
    dialect=st.sampled_from(["standard", "legacy"]),
    settings=st.dictionaries(TEXTS, st.none() | TEXTS | st.integers() | st.booleans(), max_size=3),
    package=st.sampled_from(["video", "image", "audio"]),
    price=st.decimals(0, 1000, places=2),
    prompt=TEXTS,
    image=st.none() | IMAGES,
    external_id=st.none() | TEXTS,
    body=st.dictionaries(TEXTS, st.none() | TEXTS | st.integers() | st.lists(TEXTS), max_size=3),
    headers=st.lists(st.tuples(TEXTS, TEXTS), max_size=3),
)
TASKS = st.builds(
    Task,
    request=REQUESTS,
    ends=st.floats(0, 1e10) | st.just(math.inf),
    forgotten_from=st.floats(0, 1e10) | st.just(math.inf),
    price=st.decimals(0, 1000, places=2),
    created=st.floats(0, 1e10),
    starts=st.floats(0, 1e10),
    callback_faults=st.dictionaries(TEXTS, st.floats(0, 1e6), max_size=3),
)


@settings(deadline=None, max_examples=40)
@given(st.lists(TASKS, max_size=4), st.floats(0, 1e9))
def test_every_field_comes_back_as_it_was(tasks: list[Task], ahead: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal(Path(folder))
        for task in tasks:
            journal.add_task(task)
        journal.push_clock(ahead)
        journal.close_file()
        again = Journal(Path(folder))
        assert (again.tasks, again.secret, again.ahead) == (tasks, journal.secret, ahead)
        again.close_file()


def test_no_field_is_of_a_kind_that_would_not_come_back() -> None:
    """A field that is added with a type of its own must be added to the journal, too."""
    known = {
        "str", "str | None", "float", "bool", "int", "Decimal", "CreateRequest", "Package", "Dialect", "InputImage | None", "list[str]",
        "bytes | None", "dict[str, Any]", "dict[str, float]", "list[tuple[str, str]]",
    }  # fmt: skip
    for kind in (Task, CreateRequest, InputImage):
        assert {str(field.type) for field in dataclasses.fields(kind)} <= known


def test_a_file_of_the_first_format_still_loads(tmp_path: Path) -> None:
    """Before there was anything but videos, their settings stood among the general fields."""
    with sandbox_in(tmp_path) as sandbox:
        before = Client(sandbox).finished(external_id="a", duration=3)
    file = tmp_path / NAME
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    (kept,) = [line["task"] for line in lines if "task" in line]
    request = kept.pop("request")
    settings_ = request["settings"]
    kept["output_id"] = kept.pop("output_ids")[0]
    kept["order"] = {
        **{
            name: request[name]
            for name in ("dialect", "product", "model", "model_name", "prompt", "external_id", "callback_url")
        },
        **{name: settings_[name] for name in ("duration", "resolution", "aspect_ratio", "sound")},
        "kind": settings_["rate"],
        "image": {"data": None, "address": "https://example.com/a.png", "doom": None},
        "watermark": False,
        "doom": None,
        "body": request["body"],
        "headers": request["headers"],
    }
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with sandbox_in(tmp_path) as sandbox:
        after = Client(sandbox).task(before["id"])
        assert (after["billing"], after["external_id"]) == (before["billing"], "a")
        link = after["outputs"][0]["url"]
        assert link.partition("/files/")[2] == before["outputs"][0]["url"].partition("/files/")[2]
        assert requests.get(link, timeout=TIMEOUT).headers["Content-Type"] == "video/mp4"
        (task,) = sandbox.backend.all()
        assert task.request.image == InputImage(url="https://example.com/a.png")


def test_tasks_of_a_kind_that_is_gone_are_not_lost_in_silence(tmp_path: Path) -> None:
    with sandbox_in(tmp_path) as sandbox:
        Client(sandbox).made()
    file = tmp_path / NAME
    file.write_text(file.read_text().replace('"product": "text-to-video"', '"product": "dance"'))
    with pytest.raises(ValueError, match="holds tasks of dance, which this sandbox does not take"):
        sandbox_in(tmp_path).start()

# SPDX-License-Identifier: Apache-2.0
"""What a sandbox remembers from one start to the next: a file of lines, written as things happen.

The first line holds the secret that signs links, so that links of before still work; then a line for each task, for
each push of the clock, for each deduction of units and for each voice or element that was deleted. A line that a kill has cut off is a task whose create was never answered.
"""

from __future__ import annotations

import base64
import fcntl
import json
import secrets
from dataclasses import asdict
from decimal import Decimal
from pathlib import Path
from typing import IO, Any

from kling_provider.sandbox.media.inputs import InputImage
from kling_provider.sandbox.state.ledger import Deduction, restore_deduction
from kling_provider.sandbox.state.tasks import CreateRequest, Task

NAME = "tasks.jsonl"


class Journal:
    """The file in ``--state-dir``, or nothing at all without one.

    :param folder: is made where it does not exist; None: nothing is kept.
    :raises ValueError: another sandbox keeps its tasks there, or the file is none of ours.
    """

    def __init__(self, folder: Path | None) -> None:
        self.secret = secrets.token_bytes(32)
        self.tasks: list[Task] = []
        """Those of before, oldest first."""
        self.deductions: list[Deduction] = []
        """Those of before, oldest first."""
        self.ahead = 0.0
        """Seconds by which the clock had been pushed."""
        self._file: IO[bytes] | None = None
        if folder is not None:
            self._open_file(folder / NAME)

    def add_task(self, task: Task) -> None:
        """Keep a new task, before its create is answered."""
        self._write_entry({"task": asdict(task)})

    def add_deduction(self, deduction: Deduction) -> None:
        """Keep what a pack gave for a task."""
        self._write_entry({"deduction": asdict(deduction)})

    def delete_output(self, task: Task, output_id: str) -> None:
        """Keep that a voice or an element was deleted."""
        self._write_entry({"deleted": output_id, "task_id": task.id})

    def push_clock(self, ahead: float) -> None:
        """Keep how far the clock was pushed in all."""
        self.ahead = ahead
        self._write_entry({"ahead": ahead})

    def clear_tasks(self) -> None:
        """Forget all tasks."""
        self.tasks.clear()
        self.deductions.clear()
        if self._file is not None:
            self._file.truncate(0)
            self._write_entry({"secret": self.secret.hex()})
            self._write_entry({"ahead": self.ahead})

    def close_file(self) -> None:
        """Close the file; what happens later is not kept."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _open_file(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a+b")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            raise ValueError(
                f"another sandbox is running with --state-dir {path.parent}: stop it first"
            ) from None
        path.chmod(0o600)  # it holds what signs links, and whatever people wrote into their prompts
        self._file.seek(0)
        lines = self._file.read().splitlines(keepends=True)
        if lines and not lines[-1].endswith(b"\n"):
            self._file.truncate(sum(map(len, lines)) - len(lines.pop()))
        for number, line in enumerate(lines, 1):
            try:
                self._read_entry(json.loads(line))
            except (ValueError, TypeError, KeyError, AttributeError) as error:
                raise ValueError(
                    f"{path}:{number} was not written by this version of the sandbox ({type(error).__name__}: {error}): "
                    "move the file away to start without the tasks in it"
                ) from None
        if not lines:
            self.clear_tasks()

    def _read_entry(self, entry: dict[str, Any]) -> None:
        match entry:
            case {"secret": secret}:
                self.secret = bytes.fromhex(secret)
            case {"ahead": ahead}:
                self.ahead = float(ahead)
            case {"task": task}:
                self.tasks.append(_restore_task(_convert_first_format(task) if "order" in task else task))
            case {"deduction": deduction}:
                self.deductions.append(restore_deduction(deduction))
            case {"deleted": output_id, "task_id": task_id}:
                (task,) = (task for task in self.tasks if task.id == task_id)
                task.deleted_ids.append(output_id)
            case _:
                raise ValueError(f"no such entry: {sorted(entry)}")

    def _write_entry(self, entry: dict[str, Any]) -> None:
        if self._file is not None:
            self._file.write(json.dumps(entry, default=_encode_value).encode() + b"\n")
            self._file.flush()


def _encode_value(value: object) -> str:
    """Encode what JSON has no form for: amounts of units and the bytes of images."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError(f"{type(value).__name__} is not kept")


def _restore_task(kept: dict[str, Any]) -> Task:
    request = kept["request"]
    image = request["image"]
    if image is not None:
        data = image["data"]
        image = InputImage(**{**image, "data": None if data is None else base64.b64decode(data)})
    request = {
        **request,
        "image": image,
        "headers": [(name, value) for name, value in request["headers"]],
        "price": Decimal(request["price"]),
    }
    return Task(**{**kept, "request": CreateRequest(**request), "price": Decimal(kept["price"])})


def _convert_first_format(kept: dict[str, Any]) -> dict[str, Any]:
    """Read a task as the first format had it: videos only, with their settings among the general fields."""
    order = dict(kept["order"])
    settings = {name: order.pop(name) for name in ("duration", "resolution", "aspect_ratio", "sound")}
    settings["rate"] = order.pop("kind")
    order["failure_message"] = order.pop("doom")
    if (image := order["image"]) is not None:
        order["image"] = {
            "data": image["data"],
            "url": image["address"],
            "failure_message": image["doom"],
        }
    others = {name: value for name, value in kept.items() if name not in ("order", "output_id")}
    request = {**order, "settings": settings, "price": kept["price"]}
    return {**others, "output_ids": [kept["output_id"]], "request": request}

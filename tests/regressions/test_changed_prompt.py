# SPDX-License-Identifier: Apache-2.0
"""A prompt is edited and the Dag runs again: the most ordinary act of all, and its video had no place.

The new video stands beside the old one; nothing that was paid is overwritten or moved.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kling_provider.exceptions import KlingRequestError
from kling_provider.operators.kling import KlingGenerateOperator
from kling_provider.prompts import load_prompts
from kling_provider.sandbox import Sandbox
from tests.regressions.outcomes import outcome_of
from tests.regressions.playing import cleared, context, made, resume, sidecars, teller_of
from tests.unit.instance import Instance

Start = Callable[..., Sandbox]

PANDA = {"prompt": "A red panda brews tea", "name": "panda", "duration": 3}
COFFEE = {**PANDA, "prompt": "A red panda brews coffee"}


def generate(request: dict[str, Any], folder: Path, **how: Any) -> KlingGenerateOperator:
    return KlingGenerateOperator(
        task_id="video", **{"request": request, "destination": str(folder), "pay_once_per": "dag", **how}
    )


def outcome(operator: KlingGenerateOperator, instance: Instance, sandbox: Sandbox) -> Any:
    """What a run of the task comes to: its result, or what it raises."""

    def run() -> Any:
        try:
            return operator.execute(context(instance))
        except BaseException as ended:
            if type(ended).__name__ != "TaskDeferred":
                raise
            kwargs = json.loads(json.dumps(ended.kwargs or {}))  # type: ignore[attr-defined]
        sandbox.advance(60)
        waited = {"kling_task_id": instance.xcoms["kling"]["kling_task_id"], "kwargs": kwargs}
        return resume(operator, instance, waited)

    return outcome_of(run)


def file_of(result: Any) -> Path:
    assert isinstance(result, dict), repr(result)
    return Path(str(result["outputs"][0]["file"]).removeprefix("file://"))


CHANGES: dict[str, dict[str, Any]] = {
    "prompt": COFFEE,
    "duration": {**PANDA, "duration": 5},
    "model": {**PANDA, "model": "kling-2.6", "duration": 5},
    "aspect ratio": {**PANDA, "aspect_ratio": "9:16"},
    "resolution": {**PANDA, "resolution": "1080p"},
}


@pytest.mark.parametrize("scope", ["dag", "run"])
@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_request_of_the_same_name_is_made_and_stands_beside_the_old_video(
    scope: str, change: str, start: Start, tmp_path: Path, variables: dict[str, Any]
) -> None:
    sandbox = start()
    old = file_of(outcome(generate(PANDA, tmp_path, pay_once_per=scope), Instance(run_id="monday"), sandbox))
    before = old.read_bytes(), teller_of(old).read_bytes()
    changed = CHANGES[change]
    new = file_of(
        outcome(generate(changed, tmp_path, pay_once_per=scope), Instance(run_id="tuesday"), sandbox)
    )
    assert old.name == "panda.mp4"
    assert (old.read_bytes(), teller_of(old).read_bytes()) == before
    told = sidecars(tmp_path)
    assert set(told) == {old.name, new.name}
    # The 8 hex are the beginning of what tells its identity from others of the same Dag.
    assert new.name == f"panda.{told[new.name]['identity'][11:19]}.mp4"
    assert told[new.name]["prompt"] == changed["prompt"]
    assert made(sandbox) == 2


@pytest.mark.parametrize("scope", ["dag", "run"])
def test_what_stands_beside_is_delivered_when_it_is_asked_for_again(
    scope: str, start: Start, tmp_path: Path, variables: dict[str, Any]
) -> None:
    sandbox = start()
    monday, tuesday = Instance(run_id="monday"), Instance(run_id="tuesday")
    old = file_of(outcome(generate(PANDA, tmp_path, pay_once_per=scope), monday, sandbox))
    new = file_of(outcome(generate(COFFEE, tmp_path, pay_once_per=scope), tuesday, sandbox))
    for request, instance, file in ((COFFEE, tuesday, new), (PANDA, monday, old)):
        again = generate(request, tmp_path, pay_once_per=scope)
        assert file_of(outcome(again, cleared(instance), sandbox)) == file
    assert made(sandbox) == 2


def test_another_run_of_the_default_scope_has_its_video_beside_the_first_one(
    start: Start, tmp_path: Path, variables: dict[str, Any]
) -> None:
    sandbox = start()
    files = [
        file_of(outcome(generate(PANDA, tmp_path, pay_once_per="run"), Instance(run_id=run), sandbox))
        for run in ("monday", "tuesday", "wednesday")
    ]
    assert files[0].name == "panda.mp4"
    assert all(re.fullmatch(r"panda\.[0-9a-f]{8}\.mp4", file.name) for file in files[1:])
    assert len({file.read_bytes() for file in files}) == 3
    assert made(sandbox) == 3


def test_a_request_without_a_name_is_the_same_task_at_the_same_map_index(
    start: Start, tmp_path: Path, variables: dict[str, Any]
) -> None:
    sandbox = start()
    nameless = {"prompt": "A red panda brews tea", "duration": 3}
    names = [
        file_of(outcome(generate(nameless, tmp_path), Instance(run_id="monday", map_index=3), sandbox)).name,
        file_of(
            outcome(
                generate({**nameless, "prompt": "…coffee"}, tmp_path),
                Instance(run_id="tuesday", map_index=3),
                sandbox,
            )
        ).name,
    ]
    assert names[0] == "video-3.mp4"
    assert re.fullmatch(r"video-3\.[0-9a-f]{8}\.mp4", names[1])


def test_replace_takes_the_plain_name_and_only_what_this_task_made(
    start: Start, tmp_path: Path, variables: dict[str, Any]
) -> None:
    sandbox = start()
    outcome(generate(PANDA, tmp_path), Instance(run_id="monday"), sandbox)
    new = file_of(outcome(generate(COFFEE, tmp_path, replace=True), Instance(run_id="tuesday"), sandbox))
    assert new.name == "panda.mp4"
    assert {name: told["prompt"] for name, told in sidecars(tmp_path).items()} == {
        "panda.mp4": COFFEE["prompt"]
    }
    foreign = tmp_path / "boat.mp4"
    foreign.write_bytes(b"somebody's")
    boat = {**PANDA, "name": "boat"}
    refused = outcome(generate(boat, tmp_path, replace=True), Instance(run_id="tuesday"), sandbox)
    assert foreign.read_bytes() == b"somebody's"
    assert isinstance(refused, KlingRequestError), repr(refused)
    assert "Nothing was sent, nothing is billed" in str(refused)
    assert made(sandbox) == 2


@pytest.mark.parametrize("other", [{"dag_id": "trailers"}, {"task_id": "cut"}], ids=str)
def test_replace_does_not_take_what_another_task_made(
    other: dict[str, Any], start: Start, tmp_path: Path, variables: dict[str, Any]
) -> None:
    sandbox = start()
    old = file_of(outcome(generate(PANDA, tmp_path), Instance(**other), sandbox))
    before = old.read_bytes()
    refused = outcome(generate(COFFEE, tmp_path, replace=True), Instance(), sandbox)
    assert old.read_bytes() == before
    assert isinstance(refused, KlingRequestError), repr(refused)
    assert f"{other.get('dag_id', 'films')}" in str(refused)
    assert made(sandbox) == 1


def test_the_readme_s_ten_lines_with_one_prompt_changed(
    start: Start, tmp_path: Path, variables: dict[str, Any]
) -> None:
    """Three prompt files, a run, one of them edited, a run: one new video, and every old file as it was."""
    sandbox, prompts, videos = start(), tmp_path / "prompts", tmp_path / "videos"
    prompts.mkdir()
    for name in ("kite", "lamp", "panda"):
        (prompts / f"{name}.md").write_text(f"---\nduration: 3\n---\nA {name} in the rain.\n")

    def run(run_id: str) -> list[str]:
        return [
            file_of(outcome(generate(entry, videos), Instance(run_id=run_id, map_index=index), sandbox)).name
            for index, entry in enumerate(load_prompts(str(prompts)))
        ]

    assert run("monday") == ["kite.mp4", "lamp.mp4", "panda.mp4"]
    before = {path.name: path.read_bytes() for path in videos.glob("*.mp4")}
    (prompts / "lamp.md").write_text("---\nduration: 3\n---\nA lamp in the snow.\n")
    for run_id in ("tuesday", "wednesday"):
        kite, lamp, panda = run(run_id)
        assert (kite, panda) == ("kite.mp4", "panda.mp4")
        assert re.fullmatch(r"lamp\.[0-9a-f]{8}\.mp4", lamp)
    assert {name: (videos / name).read_bytes() for name in before} == before
    assert made(sandbox) == 4


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(prompts=st.lists(st.text("abc可灵", min_size=1), min_size=2, max_size=5))
def test_every_prompt_that_a_name_ever_had_keeps_its_video(
    prompts: list[str], start: Start, tmp_path: Path, variables: dict[str, Any]
) -> None:
    sandbox = start()
    folder = tmp_path / f"{len(list(tmp_path.iterdir()))}"
    variables.clear()
    files: dict[str, tuple[Path, bytes]] = {}
    for number, prompt in enumerate(prompts):
        request = {**PANDA, "prompt": prompt}
        file = file_of(outcome(generate(request, folder), Instance(run_id=f"run-{number}"), sandbox))
        files.setdefault(prompt, (file, file.read_bytes()))
        for known, data in files.values():
            assert known.read_bytes() == data
    assert {path for path, _ in files.values()} == set(folder.glob("*.mp4"))

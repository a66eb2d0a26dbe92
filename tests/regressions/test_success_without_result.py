# SPDX-License-Identifier: Apache-2.0
"""A success without anything to deliver is an error, after another read; a kind of output that nobody knew is no crash."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kling_provider.exceptions import KlingServerError
from kling_provider.operators.kling import (
    KlingDownloadOperator,
    KlingGenerateOperator,
    KlingSubmitOperator,
)
from kling_provider.sandbox import Sandbox
from kling_provider.sensors.kling import KlingTaskSensor
from tests.regressions.outcomes import RED_PANDA, connected, outcome_of
from tests.regressions.renamed import AFTER_VIDEO, without_pause_for_late_outputs
from tests.unit.instance import Instance

NOTHING: list[list[Any]] = [
    [],
    [{"type": "video"}],
    [{"type": "video", "id": "7", "url": ""}],
    [{"type": "video", "id": "7", "url": None}, {"type": "image"}],
    [{"type": "audio", "id": "7"}],
    [{"type": "element"}],
]
WAYS = ("generate", "generate and save", "sensor", "poke", "download")
_numbers = itertools.count()


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with pytest.MonkeyPatch.context() as patch, connected(patch) as running:
        without_pause_for_late_outputs(patch)
        yield running


def deliver(way: str, sandbox: Sandbox, folder: Path, faults: list[dict[str, Any]]) -> Any:
    """What comes of a video whose reads have these faults once it is finished."""
    number = next(_numbers)
    request = {**RED_PANDA, "name": f"panda-{number}", "prompt": f"Panda {number}"}
    instance = Instance("video")
    if way.startswith("generate"):
        more = {"destination": str(folder)} if way.endswith("save") else {}
        operator: Any = KlingGenerateOperator(task_id="video", request=request, **more)
        deferred = outcome_of(lambda: operator.execute(instance.context))
        sandbox.advance(20)
        sandbox.set_faults(faults)
        event = {"kling_task_id": deferred.trigger.kling_task_id, "status": "succeeded"}
        return outcome_of(lambda: getattr(operator, AFTER_VIDEO)(instance.context, event, **deferred.kwargs))
    kling_task_id = KlingSubmitOperator(task_id="submit", request=request).execute(Instance("submit").context)
    sandbox.advance(20)
    sandbox.set_faults(faults)
    if way == "download":
        operator = KlingDownloadOperator(
            task_id="video", kling_task_id=kling_task_id, destination=str(folder), filename=f"saved-{number}"
        )
    else:
        operator = KlingTaskSensor(
            task_id="video", kling_task_id=kling_task_id, request=request, deferrable=way == "sensor"
        )
    return outcome_of(lambda: operator.execute(instance.context))


@pytest.mark.parametrize("way", [way for way in WAYS if way != "download"])
def test_a_success_without_anything_to_deliver_is_an_error(
    way: str, sandbox: Sandbox, tmp_path: Path
) -> None:
    for outputs in NOTHING:
        outcome = deliver(way, sandbox, tmp_path, [{"kind": "outputs", "outputs": outputs}])
        assert isinstance(outcome, KlingServerError), (outputs, outcome)
        assert str(outcome.task_state) == "exists"
        assert "billed" in str(outcome)
        assert "names no result, in two reads" in str(outcome)


@pytest.mark.parametrize("way", WAYS)
def test_a_result_that_comes_with_the_next_read_is_delivered(
    way: str, sandbox: Sandbox, tmp_path: Path
) -> None:
    outcome = deliver(way, sandbox, tmp_path, [{"kind": "outputs", "outputs": [], "times": 1}])
    assert isinstance(outcome, dict), repr(outcome)
    assert [output["type"] for output in outcome["outputs"]] == ["video"]


NEW_KINDS: list[list[Any]] = [
    ["real", {"type": "srt", "id": "8", "url": "real"}],
    ["real", {"type": "element", "id": "8"}],
    [{"type": "element", "id": "8"}, "real"],
    ["real", {"type": "last_frame", "url": "real"}, {"type": "Sub/Titles", "url": "real"}],
]


@pytest.mark.parametrize("way", [way for way in WAYS if way in ("generate and save", "download")])
@pytest.mark.parametrize("outputs", NEW_KINDS, ids=json.dumps)
def test_an_output_of_a_new_kind_is_kept_or_ignored_beside_the_video(
    way: str, outputs: list[Any], sandbox: Sandbox, tmp_path: Path
) -> None:
    outcome = deliver(way, sandbox, tmp_path, [{"kind": "outputs", "outputs": outputs}])
    assert isinstance(outcome, dict), repr(outcome)
    videos = [output for output in outcome["outputs"] if output["type"] == "video"]
    assert len(videos) == 1
    assert Path(videos[0]["file"].removeprefix("file://")).stat().st_size > 1000
    # What else has a link is a file of its own, whatever it is called.
    files = {output["file"] for output in outcome["outputs"] if output["file"]}
    assert len(files) == sum(1 for one in outputs if one == "real" or "url" in one)
    assert all(Path(file.removeprefix("file://")).is_file() for file in files)


@settings(max_examples=10, deadline=None)
@given(
    kinds=st.lists(st.text("abcxyz0_-/. é\n", min_size=1, max_size=12), min_size=1, max_size=3),
    linked=st.booleans(),
    way=st.sampled_from(["generate and save", "download"]),
)
def test_whatever_the_kind_is_called(
    kinds: list[str], linked: bool, way: str, sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory
) -> None:
    more = [{"type": kind, "id": "8", **({"url": "real"} if linked else {})} for kind in kinds]
    folder = tmp_path_factory.mktemp("videos")
    outcome = deliver(way, sandbox, folder, [{"kind": "outputs", "outputs": ["real", *more]}])
    assert isinstance(outcome, dict), repr(outcome)
    files = [output["file"] for output in outcome["outputs"] if output["file"]]
    assert len(files) == len(set(files))
    assert all(folder in path.parents for path in folder.rglob("*"))
    json.dumps(outcome)

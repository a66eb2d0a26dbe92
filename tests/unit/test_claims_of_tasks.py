# SPDX-License-Identifier: Apache-2.0
"""What tasks do with the place that they claimed: kept while something may exist at Kling, given back when not."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest

from kling_provider.api.catalog import RequestSpec, add_spec_for_now
from kling_provider.api.codes import TaskState
from kling_provider.api.price_rules import PerSecond
from kling_provider.api.requests.video import TextToVideo
from kling_provider.api.tasks import Output
from kling_provider.exceptions import KlingError, KlingModerationError, KlingRequestError, KlingStorageError
from kling_provider.execution.result_place import ResultPlace
from kling_provider.operators.kling import KlingGenerateOperator
from kling_provider.sandbox import Sandbox
from kling_provider.submission.sent import OutputPlace
from tests.regressions import conftest as regressions
from tests.regressions.outcomes import creates, outcome_of
from tests.regressions.playing import cleared, context, defer, made, resume, retried
from tests.unit.instance import Instance
from tests.unit.storage_stand_ins import names

Start = Callable[..., Sandbox]
start, variables = regressions.start, regressions.variables

PANDA = {"prompt": "A red panda brews tea", "name": "panda", "duration": 3}
COFFEE = {**PANDA, "prompt": "A red panda brews coffee"}
CLAIM = "panda.kling.json"


class MadeUp(TextToVideo):
    type: Literal["made_up"] = "made_up"  # type: ignore[assignment]


def generate(folder: Path, request: dict[str, Any] | None = None, **how: Any) -> KlingGenerateOperator:
    return KlingGenerateOperator(task_id="video", request=request or PANDA, destination=str(folder), **how)


def run(operator: KlingGenerateOperator, instance: Instance | None = None) -> Any:
    return outcome_of(lambda: operator.execute(context(instance or Instance())))


@pytest.mark.parametrize(
    "fault", ["exhausted", "arrears", "moderation", "rate_limited", "auth", "answer_lost_before"]
)
def test_what_was_refused_gives_its_place_back(
    fault: str, start: Start, tmp_path: Path, variables: dict[str, Any]
) -> None:
    sandbox = start()
    sandbox.set_faults([{"kind": fault, "on": "create"}])
    ended = run(generate(tmp_path))
    kept = [CLAIM] if getattr(ended, "task_state", None) is not TaskState.NONE else []
    # An answer that was lost says nothing; a wait in the queue has sent nothing.
    assert (fault == "answer_lost_before") is (kept == [CLAIM] and isinstance(ended, KlingError))
    assert names(tmp_path) == (kept if isinstance(ended, KlingError) else [])
    sandbox.set_faults([])
    other = run(generate(tmp_path), Instance(dag_id="trailers"))
    assert isinstance(other, KlingRequestError) is (fault == "answer_lost_before"), other


def test_who_waits_in_the_queue_holds_no_place(
    start: Start, tmp_path: Path, variables: dict[str, Any]
) -> None:
    """The request of the moment of sending counts, and it is claimed then."""
    sandbox = start()
    sandbox.set_faults([{"kind": "concurrency"}])
    assert type(run(generate(tmp_path))).__name__ == "TaskDeferred"
    assert names(tmp_path) == []
    assert made(sandbox) == 0


@pytest.mark.parametrize("message", ["Image pixel is invalid", "Failure to pass the risk control system"])
def test_what_kling_failed_gives_its_place_back(
    message: str, start: Start, tmp_path: Path, variables: dict[str, Any]
) -> None:
    sandbox, instance = start(), Instance()
    sandbox.set_faults([{"kind": "task_fails", "message": message, "times": 1}])
    operator = generate(tmp_path)
    waited = defer(operator, instance, sandbox)
    assert names(tmp_path) == [CLAIM]
    failed = outcome_of(lambda: resume(operator, instance, waited))
    assert isinstance(failed, KlingError)
    assert isinstance(failed, KlingModerationError) is message.startswith("Failure")
    assert names(tmp_path) == []
    # So a person's other prompt has the plain name.
    again = cleared(instance)
    changed = generate(tmp_path, COFFEE)
    resume(changed, again, defer(changed, again, sandbox))
    assert names(tmp_path) == [CLAIM, "panda.mp4", "panda.mp4.jpg"]


def test_a_plan_claims_nothing_and_is_refused_what_would_be_refused(
    start: Start, tmp_path: Path, variables: dict[str, Any]
) -> None:
    sandbox = start()
    assert run(generate(tmp_path / "videos", plan_only=True))["plan_only"]
    assert not (tmp_path / "videos").exists()
    run(generate(tmp_path), Instance(dag_id="trailers"))
    refused = run(generate(tmp_path, plan_only=True))
    assert isinstance(refused, KlingRequestError)
    assert "is claimed for another result" in str(refused)
    assert made(sandbox) == 1


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO])
def test_a_disk_that_is_full_at_the_claim_means_that_nothing_was_sent(
    number: int, start: Start, tmp_path: Path, variables: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox = start()

    def full(_: int) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        ended = run(generate(tmp_path))
    assert isinstance(ended, KlingStorageError)
    assert str(ended).startswith(f"Could not claim file://{tmp_path}/panda.kling.json: ")
    assert str(ended).endswith("Nothing was sent to Kling.")
    assert ended.task_state is TaskState.NONE
    assert creates(sandbox) == 0
    assert names(tmp_path) == []
    # The mended task goes on.
    assert type(run(generate(tmp_path), retried(Instance()))).__name__ == "TaskDeferred"


def test_what_exists_already_is_adopted_and_saved_beside_a_file_of_others(
    start: Start, tmp_path: Path, variables: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """A clear without the record: the look-up finds the task, and somebody's file stands in its place."""
    sandbox, instance = start(), Instance()
    defer(generate(tmp_path), instance, sandbox)
    (tmp_path / CLAIM).unlink()
    (tmp_path / "panda.mp4").write_bytes(b"somebody's")
    again = cleared(instance)
    again.store.clear()
    result = run(generate(tmp_path), again)
    assert result["kling_task_id"] == instance.xcoms["kling"]["kling_task_id"]
    file = Path(result["outputs"][0]["file"].removeprefix("file://"))
    assert file.name.startswith("panda.")
    assert file.name != "panda.mp4"
    assert (tmp_path / "panda.mp4").read_bytes() == b"somebody's"
    assert made(sandbox) == 1
    assert "could not be claimed; it is saved beside it" in caplog.text


def test_outputs_of_kinds_that_are_not_known_are_kept_or_passed_over(
    start: Start, tmp_path: Path, variables: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What has a link becomes a file, under the suffix of the link; an element is an id in the account."""
    from kling_provider.api.dialects import reading

    real = reading._read_outputs
    sandbox, instance = start(), Instance()
    operator = generate(tmp_path)
    waited = defer(operator, instance, sandbox)

    def more(fields: Any) -> Any:
        (video,) = real(fields)
        return [video, Output("storyboard", id="s", url=video.url), Output("element", id="u_1")]

    monkeypatch.setattr(reading, "_read_outputs", more)
    resume(operator, instance, waited)
    assert names(tmp_path) == [
        "panda-0.mp4",
        "panda-0.mp4.jpg",
        "panda-1.mp4",
        "panda-1.mp4.jpg",
        CLAIM,
    ]
    assert run(generate(tmp_path), cleared(instance))["kling_task_id"] == waited["kling_task_id"]
    assert made(sandbox) == 1


@pytest.mark.parametrize("name", ["1.png", "1.webp", "1-0.jpg"])
def test_the_files_that_a_kind_makes_are_looked_for_before_paying(name: str, tmp_path: Path) -> None:
    """By what the catalog says that it makes; a video of that name is not in the way of images."""
    images = RequestSpec(
        type="made_up",
        made_by=MadeUp,
        paths={"standard": "/made-up"},
        outputs=("image",),
        price_rule=PerSecond(),
    )
    place = OutputPlace(destination=str(tmp_path), filename="{kling_task_id}")
    with add_spec_for_now(images):
        saving = ResultPlace.of_task(None, "1", "made_up", None, None, place, Instance().context)  # type: ignore[arg-type]
        (tmp_path / "1.mp4").write_bytes(b"somebody's")
        assert saving.check() == "1"
        (tmp_path / name).write_bytes(b"somebody's")
        with pytest.raises(KlingRequestError, match="was not saved by this provider"):
            saving.check()

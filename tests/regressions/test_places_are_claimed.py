# SPDX-License-Identifier: Apache-2.0
"""Two tasks want one file: both paid, and one could not save. The place is claimed before the payment.

Of one Dag, task and name both are paid and both are saved; of others the second one is refused before it pays.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from kling_provider.exceptions import KlingRequestError
from kling_provider.operators.kling import KlingGenerateOperator
from kling_provider.sandbox import Sandbox
from tests.regressions.outcomes import outcome_of
from tests.regressions.playing import context, made, resume, sidecars, teller_of
from tests.unit.instance import Instance

Start = Callable[..., Sandbox]

PANDA = {"prompt": "A red panda brews tea", "name": "panda", "duration": 3}


class Video:
    """One task instance, up to its wait and from there to its file."""

    def __init__(
        self, folder: Path, request: dict[str, Any], *, filename: str = "{name}", **where: Any
    ) -> None:
        self.instance = Instance(**where)
        self.operator = KlingGenerateOperator(
            task_id=self.instance.ti.task_id, request=request, destination=str(folder), filename=filename
        )
        self.kwargs: Any = None
        self.error: BaseException | None = None

    def send(self) -> Video:
        ended = outcome_of(lambda: self.operator.execute(context(self.instance)))
        if type(ended).__name__ == "TaskDeferred":
            self.kwargs = json.loads(json.dumps(ended.kwargs or {}))
        else:
            self.error = ended
        return self

    @property
    def refused_unpaid(self) -> bool:
        """Whether it ended before it paid, and says so."""
        return isinstance(self.error, KlingRequestError) and "Nothing was sent" in str(self.error)

    def save(self) -> Path:
        waited = {"kling_task_id": self.instance.xcoms["kling"]["kling_task_id"], "kwargs": self.kwargs}
        result = outcome_of(lambda: resume(self.operator, self.instance, waited))
        assert isinstance(result, dict), f"paid and not saved: {result!r}"
        return Path(str(result["outputs"][0]["file"]).removeprefix("file://"))


#: The second one of the same Dag, task and name.
SAME = {
    "another mapped entry": ({"prompt": "…coffee"}, {"map_index": 4}),
    "another run": ({}, {"run_id": "tuesday"}),
    "another run with another prompt": ({"prompt": "…coffee"}, {"run_id": "tuesday", "map_index": 9}),
}
#: The second one of somebody else.
OTHERS = {
    "another Dag": ({}, {"dag_id": "trailers"}),
    "another task group": ({}, {"task_id": "second_group.video"}),
    "another name that is the same file": ({"name": "panda "}, {"dag_id": "trailers"}),
    "another name that becomes the same file": ({"name": "pan?a"}, {}),
}


@pytest.mark.parametrize("first_to_save", [0, 1])
@pytest.mark.parametrize("second", SAME)
def test_two_of_one_dag_task_and_name_at_once_are_both_saved(
    second: str, first_to_save: int, start: Start, tmp_path: Path, variables: dict[str, Any]
) -> None:
    sandbox = start()
    request, where = SAME[second]
    videos = [
        Video(tmp_path, PANDA, map_index=3).send(),
        Video(tmp_path, {**PANDA, **request}, **{"map_index": 3, **where}).send(),
    ]
    sandbox.advance(60)
    order = videos if first_to_save == 0 else videos[::-1]
    files = [video.save() for video in order]
    assert len(set(files)) == made(sandbox) == 2
    assert {file.name for file in files} == set(sidecars(tmp_path))
    assert len({file.read_bytes() for file in files}) == 2


@pytest.mark.parametrize("second", OTHERS)
def test_another_task_s_place_is_refused_before_anything_is_paid(
    second: str, start: Start, tmp_path: Path, variables: dict[str, Any]
) -> None:
    sandbox = start()
    request, where = OTHERS[second]
    name = "pan_a" if second.endswith("becomes the same file") else "panda"
    first = Video(tmp_path, {**PANDA, "name": name}).send()
    late = Video(tmp_path, {**PANDA, **request}, **where).send()
    assert made(sandbox) == 1
    assert late.refused_unpaid, repr(late.error)
    for owner in ("Dag films", "run manual__1", "task video", "claims release"):
        assert owner in str(late.error)
    sandbox.advance(60)
    assert first.save().name == f"{name}.mp4"
    again = Video(tmp_path, {**PANDA, **request}, **where).send()
    assert again.refused_unpaid, repr(again.error)
    assert made(sandbox) == 1


def test_one_file_name_for_all_entries_is_refused_before_the_second_one_pays(
    start: Start, tmp_path: Path, variables: dict[str, Any]
) -> None:
    """``filename="video"`` over a mapped list."""
    sandbox = start()
    videos = [
        Video(tmp_path, {**PANDA, "name": name}, filename="film", map_index=index).send()
        for index, name in enumerate(("kite", "lamp", "panda"))
    ]
    assert made(sandbox) == 1
    assert [video.refused_unpaid for video in videos] == [False, True, True]
    sandbox.advance(60)
    assert videos[0].save().name == "film.mp4"


def test_a_file_that_came_during_the_wait_stays_and_the_video_is_saved_beside_it(
    start: Start, tmp_path: Path, variables: dict[str, Any]
) -> None:
    sandbox = start()
    video = Video(tmp_path, PANDA).send()
    sandbox.advance(60)
    (tmp_path / "panda.mp4").write_bytes(b"somebody's")
    saved = video.save()
    assert saved.name.startswith("panda.")
    assert saved.name != "panda.mp4"
    assert (tmp_path / "panda.mp4").read_bytes() == b"somebody's"
    assert list(tmp_path.glob("*.json")) == [teller_of(saved)]


@pytest.mark.parametrize("name", ["a\x00b", "\u202eevil", "tab\there", "line\nbreak", "half\ud83d"])
def test_a_name_with_what_no_file_can_have_is_saved_or_refused_unpaid(
    name: str, start: Start, tmp_path: Path, variables: dict[str, Any]
) -> None:
    sandbox = start()
    video = Video(tmp_path, {**PANDA, "name": name}).send()
    if video.error is not None:
        assert isinstance(video.error, KlingRequestError), repr(video.error)
        assert made(sandbox) == 0
        return
    other = Video(tmp_path, {**PANDA, "name": name}, dag_id="trailers").send()
    assert other.refused_unpaid
    sandbox.advance(60)
    assert not set(video.save().name) & set("\x00\u202e\t\n\ud83d")


@pytest.mark.parametrize("destination", ["/tmp/vid\x00eos", "/tmp/\ud83d", "s3://buc\x07ket/videos"])
def test_a_destination_that_can_be_none_is_refused_before_anything_is_paid(
    destination: str, start: Start, variables: dict[str, Any]
) -> None:
    sandbox = start()
    video = Video(Path("/"), PANDA)
    video.operator.destination = destination
    video.send()
    assert made(sandbox) == 0
    assert isinstance(video.error, KlingRequestError), repr(video.error)
    assert "destination" in str(video.error)


entries = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["kite", "lamp", "La?mp"]),
        "prompt": st.sampled_from(["tea", "coffee"]),
        "dag_id": st.sampled_from(["films", "trailers"]),
        "run_id": st.sampled_from(["monday", "tuesday"]),
        "map_index": st.integers(0, 2),
    }
)


@settings(
    max_examples=12,
    deadline=None,
    phases=[Phase.generate],  # an example plays up to six tasks: too long to be made smaller
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    wanted=st.lists(entries, min_size=2, max_size=6, unique_by=lambda one: tuple(map(str, one.values()))),
    order=st.randoms(use_true_random=False),
)
def test_whoever_wants_the_same_files_each_paid_video_is_saved(
    wanted: list[dict[str, Any]], order: Any, start: Start, tmp_path: Path, variables: dict[str, Any]
) -> None:
    sandbox = start()
    folder = tmp_path / f"{len(list(tmp_path.iterdir()))}"
    videos = [
        Video(folder, {"name": one["name"], "prompt": one["prompt"], "duration": 3}, **rest)
        for one in wanted
        for rest in [{key: one[key] for key in ("dag_id", "run_id", "map_index")}]
    ]
    paid = [video for video in videos if video.send().error is None]
    assert all(video.refused_unpaid for video in videos if video.error is not None)
    sandbox.advance(60)
    order.shuffle(paid)
    files = {video.save() for video in paid}
    assert len(files) == made(sandbox)
    assert {file.name for file in files} == set(sidecars(folder))

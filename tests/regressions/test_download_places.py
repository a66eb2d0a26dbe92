# SPDX-License-Identifier: Apache-2.0
"""The three-task form paid first and found out at the download that its video has no place, or a wrong one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from airflow.sdk import DAG, ObjectStoragePath
from hypothesis import given, settings
from hypothesis import strategies as st

from kling_provider.exceptions import KlingRequestError
from kling_provider.operators.kling import KlingDownloadOperator, KlingGenerateOperator, KlingSubmitOperator
from kling_provider.sandbox import Sandbox
from tests.regressions.outcomes import connected, outcome_of
from tests.regressions.playing import context, sidecars
from tests.unit.instance import Instance

PANDA = {"prompt": "A red panda brews tea", "name": "panda", "duration": 3}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(Sandbox.defaults, "short_side", 144)
        with connected(patch) as running:
            yield running


def submit(sandbox: Sandbox, request: dict[str, Any], **where: Any) -> str:
    operator = KlingSubmitOperator(task_id="submit", request=request)
    kling_task_id: str = operator.execute(context(Instance("submit", **where)))
    sandbox.advance(60)
    return kling_task_id


def download(kling_task_id: str, destination: Any, *, where: dict[str, Any] | None = None, **how: Any) -> Any:
    """The result, or what the task raises."""

    def run() -> Any:
        operator = KlingDownloadOperator(
            task_id="save", kling_task_id=kling_task_id, destination=destination, **how
        )
        return operator.execute(context(Instance("save", **(where or {}))))

    return outcome_of(run)


def saved_as(result: Any) -> str:
    assert isinstance(result, dict), f"paid and not saved: {result!r}"
    return str(result["outputs"][0]["file"])


@pytest.mark.parametrize("named", [True, False])
def test_each_kling_task_has_a_file_of_its_own(named: bool, sandbox: Sandbox, tmp_path: Path) -> None:
    """The same prompt in each run, a changed one, another Dag: none is in another one's way."""
    wanted: list[tuple[dict[str, Any], dict[str, Any]]] = [
        (PANDA, {"run_id": f"monday-{named}"}),
        (PANDA, {"run_id": f"tuesday-{named}"}),
        ({**PANDA, "prompt": "…coffee"}, {"run_id": f"monday-{named}"}),
        (PANDA, {"run_id": f"monday-{named}", "dag_id": "trailers"}),
    ]
    files = {}
    for request, where in wanted:
        kling_task_id = submit(sandbox, request, **where)
        how = {"request": request} if named else {}
        files[kling_task_id] = Path(saved_as(download(kling_task_id, str(tmp_path), where=where, **how))).name
    assert files == {one: f"panda.{one}.mp4" if named else f"{one}.mp4" for one in files}
    assert len(files) == 4
    assert {name: told["kling_task_id"] for name, told in sidecars(tmp_path).items()} == {
        name: one for one, name in files.items()
    }


def test_a_file_name_that_several_want_is_given_to_the_first_and_none_is_lost(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    for number, where in enumerate(({}, {"run_id": "tuesday"}, {"dag_id": "trailers"})):
        kling_task_id = submit(sandbox, {**PANDA, "take": number})
        assert saved_as(download(kling_task_id, str(tmp_path), where=where, filename="today"))
    (tmp_path / "foreign.mp4").write_bytes(b"somebody's")
    assert saved_as(download(kling_task_id, str(tmp_path), filename="foreign"))
    names = {path.name for path in tmp_path.glob("*.mp4")}
    assert len(names) == 5
    assert {"today.mp4", "foreign.mp4"} < names
    assert (tmp_path / "foreign.mp4").read_bytes() == b"somebody's"


@pytest.mark.parametrize("kind", [str, Path, PurePosixPath, lambda path: ObjectStoragePath(f"file://{path}")])
def test_a_destination_may_be_a_path(kind: Callable[[Any], Any], sandbox: Sandbox, tmp_path: Path) -> None:
    kling_task_id = submit(sandbox, {**PANDA, "name": "path"})
    name = f"of-{len(str(kind))}"
    result = download(kling_task_id, kind(tmp_path), filename=f"{name}-{{kling_task_id}}")
    assert saved_as(result) == f"file://{tmp_path}/{name}-{kling_task_id}.mp4"


@pytest.mark.parametrize("kind", [Path, lambda path: ObjectStoragePath(f"file://{path}")])
def test_so_may_the_destination_of_a_paid_task(
    kind: Callable[[Any], Any], sandbox: Sandbox, tmp_path: Path
) -> None:
    operator = KlingGenerateOperator(
        task_id="video", request={**PANDA, "name": "of-a-path"}, destination=kind(tmp_path)
    )
    ended = outcome_of(lambda: operator.execute(context(Instance(run_id=repr(kind)))))
    assert type(ended).__name__ == "TaskDeferred", repr(ended)


WRONG = {
    "{nmae}": "Did you mean 'name'",
    "{ds}": "Allowed: {name}",
    "{name": "is not a valid template",
    "{name!r}": "without ! and :",
    "{}": "Allowed: {name}",
    "/etc/{name}": "absolute path",
    "../{name}": "leads out of destination",
    "films/": "no name",
    "": "must be",
    "  ": "must be",
}


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize(
    "operator",
    [
        lambda **how: KlingDownloadOperator(task_id="save", kling_task_id="1", destination="/videos", **how),
        lambda **how: KlingGenerateOperator(task_id="save", request=PANDA, destination="/videos", **how),
        lambda **how: KlingDownloadOperator.partial(task_id="save", destination="/videos", **how),
        lambda **how: KlingGenerateOperator.partial(task_id="save", destination="/videos", **how),
    ],
    ids=["download", "generate", "mapped download", "mapped generate"],
)
def test_a_wrong_file_name_is_refused_where_the_dag_is_parsed(
    operator: Callable[..., Any], name: str
) -> None:
    with DAG("films"), pytest.raises(KlingRequestError) as error:
        operator(filename=name)
    assert WRONG[name] in str(error.value)
    assert "filename must be" in str(error.value)


@pytest.mark.parametrize("destination", [5, b"/videos", ["/videos"], "", True], ids=repr)
def test_a_destination_that_is_no_folder_is_refused_where_the_dag_is_parsed(destination: Any) -> None:
    with pytest.raises(KlingRequestError, match="destination must be a folder"):
        KlingDownloadOperator(task_id="save", kling_task_id="1", destination=destination)


@pytest.mark.parametrize(
    "place", [{"filename": "{nmae}"}, {"destination": "videos"}, {"destination": "/v\x00"}]
)
def test_what_was_templated_is_refused_before_the_task_is_read(place: dict[str, Any]) -> None:
    """There is no Kling to read from here: whoever asks it first fails otherwise."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW_CONN_KLING_DEFAULT", "kling://:key@127.0.0.1:9")
        operator = KlingDownloadOperator(
            task_id="save", kling_task_id="1", destination="/videos", filename="{name}"
        )
        for field, value in place.items():
            setattr(operator, field, value)
        error = outcome_of(lambda: operator.execute(context(Instance("save"))))
    assert isinstance(error, KlingRequestError), repr(error)
    assert next(iter(place)) in str(error).replace("file name", "filename")


@pytest.mark.parametrize("rendered", [2024, 20.5])
def test_a_name_that_native_rendering_made_a_number_is_a_name(
    rendered: Any, sandbox: Sandbox, tmp_path: Path
) -> None:
    kling_task_id = submit(sandbox, {**PANDA, "name": "number"})
    operator = KlingDownloadOperator(task_id="save", kling_task_id=kling_task_id, destination=str(tmp_path))
    operator.filename = rendered
    result = outcome_of(lambda: operator.execute(context(Instance("save"))))
    assert saved_as(result) == f"file://{tmp_path}/{rendered}.mp4"


@settings(max_examples=50, deadline=None)
@given(place=st.text("abcdefgh_", min_size=1, max_size=8))
def test_no_word_but_ours_stands_in_braces(place: str) -> None:
    ours = {"name", "take", "type", "model", "run_id", "task_id", "map_index", "kling_task_id"}
    refused = outcome_of(
        lambda: KlingDownloadOperator(
            task_id="save", kling_task_id="1", destination="/videos", filename=f"x-{{{place}}}"
        )
    )
    assert isinstance(refused, KlingRequestError) is (place not in ours)

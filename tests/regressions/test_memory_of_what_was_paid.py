# SPDX-License-Identifier: Apache-2.0
"""What was paid once per Dag is remembered by what it is, not by where its file lies, nor by Kling (30 days)."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kling_provider.exceptions import KlingError
from kling_provider.operators.kling import KlingGenerateOperator, KlingSubmitOperator
from kling_provider.sandbox import Sandbox
from tests.regressions.playing import context, defer, in_run, made, resume
from tests.regressions.renamed import AFTER_QUEUE
from tests.unit.instance import Assets, Instance

Start = Callable[..., Sandbox]
PANDA = {"prompt": "A red panda brews tea", "name": "panda", "duration": 3}


@pytest.fixture(params=["3.3", "3.1"])
def assets(request: pytest.FixtureRequest, variables: dict[str, Any]) -> Assets | None:
    """The memory that all runs share: on Airflow 3.3 the asset's state store, before it Variables."""
    return Assets() if request.param == "3.3" else None


def generate(folder: Path, **how: Any) -> KlingGenerateOperator:
    return KlingGenerateOperator(
        task_id="video", **{"request": PANDA, "destination": str(folder), "pay_once_per": "dag", **how}
    )


def play(operator: Any, instance: Instance, sandbox: Sandbox) -> Any:
    """One run from its start to its end: the result, or what ended it."""
    try:
        return operator.execute(context(instance))
    except BaseException as ended:
        if type(ended).__name__ != "TaskDeferred":
            return {"kling_task_id": None, "ended": str(ended)}
        sandbox.advance(60)
        waited = {"kling_task_id": instance.xcoms["kling"]["kling_task_id"], "kwargs": ended.kwargs}  # type: ignore[attr-defined]
        return resume(operator, instance, waited)


@pytest.mark.parametrize("profile", ["kling", "gateway"])
@pytest.mark.parametrize(
    "places",
    [
        [{"destination": "24"}, {"destination": "25"}, {"destination": "26"}],
        [{"filename": "{name}-{run_id}"}] * 3,
        [{"filename": "{run_id}/{name}"}] * 3,
        [{"destination": "a"}, {"destination": None}, {"destination": "a"}],
    ],
    ids=["dated folder", "run id in the name", "folder of the run", "once without a file"],
)
def test_runs_with_places_of_their_own_pay_once(
    places: list[dict[str, Any]], profile: str, start: Start, tmp_path: Path, assets: Assets | None
) -> None:
    sandbox = start(profile)
    ids = set()
    for number, place in enumerate(places):
        folder = place.get("destination", "shelf")
        how = {**place, "destination": str(tmp_path / folder) if folder else None}
        result = play(generate(tmp_path, **how), in_run(f"day_{number}", assets), sandbox)
        ids.add(result["kling_task_id"])
    assert made(sandbox) == 1
    assert len(ids) == 1
    assert None not in ids


@pytest.mark.parametrize("profile", ["kling", "gateway"])
def test_what_kling_has_forgotten_is_not_paid_again(
    profile: str, start: Start, tmp_path: Path, assets: Assets | None
) -> None:
    """After 30 days Kling knows neither task nor external id, and takes a second create."""
    sandbox = start(profile)
    sandbox.set_faults([{"kind": "ids_forgotten", "seconds": 3600, "mode": "free"}])
    first = play(generate(tmp_path / "then"), in_run("then", assets), sandbox)
    sandbox.advance(4000)
    again = play(generate(tmp_path / "now"), in_run("now", assets), sandbox)
    assert made(sandbox) == 1
    assert again["kling_task_id"] == first["kling_task_id"]
    assert again["outputs"][0]["file"] == first["outputs"][0]["file"]


def test_what_kling_has_forgotten_and_nobody_kept_is_an_error_and_not_paid_again(
    start: Start, tmp_path: Path, assets: Assets | None
) -> None:
    sandbox = start()
    sandbox.set_faults([{"kind": "ids_forgotten", "seconds": 3600, "mode": "free"}])
    play(generate(tmp_path / "then"), in_run("then", assets), sandbox)
    for path in (tmp_path / "then").iterdir():
        path.unlink()
    sandbox.advance(4000)
    again = play(generate(tmp_path / "now"), in_run("now", assets), sandbox)
    assert made(sandbox) == 1
    assert "raise take" in again["ended"]


@pytest.mark.parametrize("profile", ["kling", "gateway"])
def test_a_submit_pays_once_in_all_runs_without_any_file(
    profile: str, start: Start, assets: Assets | None
) -> None:
    sandbox, ids = start(profile), []
    for number in range(3):
        submit = KlingSubmitOperator(task_id="submit", request=PANDA, pay_once_per="dag")
        try:
            ids.append(submit.execute(context(in_run(f"day_{number}", assets, task_id="submit"))))
        except KlingError as error:
            ids.append(str(error))
    assert made(sandbox) == 1
    assert len(set(ids)) == 1


def test_a_memory_that_cannot_be_read_is_never_taken_for_nothing_paid(
    start: Start, tmp_path: Path, variables: dict[str, Any]
) -> None:
    """An inactive asset answers "not there" to whoever reads its state store."""
    sandbox, assets = start("gateway"), Assets()
    play(generate(tmp_path / "a"), in_run("one", assets), sandbox)
    assets.active = False
    second = play(generate(tmp_path / "b"), in_run("two", assets), sandbox)
    assert made(sandbox) == 1
    assert "Nothing was sent" in second["ended"]
    assets.active = True
    assert play(generate(tmp_path / "b"), in_run("two", assets), sandbox)["kling_task_id"]
    assert made(sandbox) == 1


def test_an_upgrade_of_airflow_forgets_nothing(
    start: Start, tmp_path: Path, variables: dict[str, Any]
) -> None:
    sandbox = start("gateway")
    first = play(generate(tmp_path / "a"), in_run("before", None), sandbox)
    second = play(generate(tmp_path / "b"), in_run("after", Assets()), sandbox)
    assert made(sandbox) == 1
    assert second["kling_task_id"] == first["kling_task_id"]


@pytest.mark.parametrize("profile", ["kling", "gateway"])
def test_two_prompts_under_one_name_are_two_memories(
    profile: str, start: Start, tmp_path: Path, assets: Assets | None
) -> None:
    sandbox = start(profile)
    boat = {**PANDA, "prompt": "A paper boat"}
    for number, request in enumerate((PANDA, boat, PANDA, boat)):
        place = str(tmp_path / f"{number}")
        play(generate(tmp_path, request=request, destination=place), in_run(f"day_{number}", assets), sandbox)
    assert made(sandbox) == 2


@pytest.mark.parametrize("change", [{"prompt": "A paper boat"}, {"duration": 5}, {"take": 1, "prompt": "x"}])
@pytest.mark.parametrize("where", ["same run", "next run", "other Dag"])
def test_a_used_external_task_id_of_the_users_own_is_no_other_video(
    where: str, change: dict[str, Any], start: Start, tmp_path: Path, assets: Assets | None
) -> None:
    """One external id is one Kling task: with another prompt under it the old video would get the new name."""
    sandbox = start()
    own = {**PANDA, "external_task_id": "panda-of-monday"}
    first = in_run("monday", assets)
    play(generate(tmp_path, request=own), first, sandbox)
    second = in_run("tuesday", assets, dag_id="others" if where == "other Dag" else "films")
    if where == "same run":
        second = in_run("monday", assets, try_number=2, max_tries=4)
        second.store = first.store
    result = play(generate(tmp_path / "new", request={**own, **change}), second, sandbox)
    assert result["kling_task_id"] is None, "the old video was delivered for the new request"
    assert PANDA["prompt"] in result["ended"]
    assert change.get("prompt", PANDA["prompt"]) in result["ended"]
    assert "raise take" not in result["ended"]
    assert made(sandbox) == 1


def test_the_same_request_under_the_users_own_id_is_delivered_again(
    start: Start, tmp_path: Path, assets: Assets | None, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    sandbox = start()
    own = {**PANDA, "external_task_id": "panda-of-monday"}
    ids = {
        play(generate(tmp_path / day, request=own), in_run(day, assets), sandbox)["kling_task_id"]
        for day in ("monday", "tuesday")
    }
    assert made(sandbox) == len(ids) == 1
    assert "raise take" not in caplog.text


def test_what_a_wait_for_the_account_sends_is_the_request_of_that_moment(
    start: Start, tmp_path: Path, assets: Assets | None
) -> None:
    """The account is full: nothing was submitted, so an edited prompt file counts."""
    sandbox, instance = start(), in_run("one", assets)
    sandbox.set_faults([{"kind": "concurrency", "times": 1}])
    with pytest.raises(BaseException) as deferred:
        generate(tmp_path).execute(context(instance))
    assert deferred.value.method_name == AFTER_QUEUE  # type: ignore[attr-defined]
    boat = generate(tmp_path, request={**PANDA, "prompt": "A paper boat", "name": "boat"})
    event = {"status": "room", "external_task_id": None, "queued_at": 0.0, "refusals": 1}
    with pytest.raises(BaseException) as deferred:
        getattr(boat, AFTER_QUEUE)(context(instance), event)
    assert type(deferred.value).__name__ == "TaskDeferred", deferred.value
    sandbox.advance(60)
    waited = {"kling_task_id": instance.xcoms["kling"]["kling_task_id"], "kwargs": deferred.value.kwargs}  # type: ignore[attr-defined]
    assert resume(boat, instance, waited)["prompt"] == "A paper boat"
    assert made(sandbox) == 1


def test_only_paid_requests_travel_with_a_wait(start: Start, tmp_path: Path, assets: Assets | None) -> None:
    """The first run's memory is not rewritten by a later run that only delivers."""
    sandbox = start()
    waited = defer(generate(tmp_path), in_run("one", assets), sandbox)
    other = in_run("two", assets)
    result = generate(tmp_path).execute(context(other))
    assert result["kling_task_id"] == waited["kling_task_id"]
    assert made(sandbox) == 1


@pytest.mark.parametrize("then", ["sandbox", "elsewhere"])
def test_what_a_sandbox_made_is_not_taken_for_paid_elsewhere(
    then: str, start: Start, tmp_path: Path, assets: Assets | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A first try at a sandbox on this machine, then the connection to the real host: its prompts are made there."""
    first, second = start(), start(allow_hosts="kling.example")
    resolve = socket.getaddrinfo
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda host, *more, **how: resolve("127.0.0.1" if host == "kling.example" else host, *more, **how),
    )
    connection = {"conn_type": "kling", "password": "api-key-kling-sandbox", "extra": {"profile": "kling"}}
    for place, sandbox, host in (("a", first, first.url), ("b", second, second.url)):
        if place == "b" and then == "elsewhere":
            host = host.replace("127.0.0.1", "kling.example")
        monkeypatch.setenv("AIRFLOW_CONN_KLING_DEFAULT", json.dumps({**connection, "host": host}))
        result = play(generate(tmp_path / place), in_run(place, assets), sandbox)
    if then == "elsewhere":
        assert made(second) == 1
        assert result["kling_task_id"] is not None
    else:
        assert made(second) == 0, (
            "at another account of the same kind of host, nobody knows that it was not paid"
        )
        assert result["outputs"][0]["file"].endswith("a/panda.mp4")

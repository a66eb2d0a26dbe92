# SPDX-License-Identifier: Apache-2.0
"""What earlier releases saved and claimed, a ``<file>.json`` beside each file, counts: nothing of it is paid again."""

from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from kling_provider.exceptions import KlingRequestError
from kling_provider.operators.kling import KlingGenerateOperator
from kling_provider.sandbox import Sandbox
from kling_provider.storage import (
    claim_place,
    find_claims,
    find_saved_by_file,
    find_saved_result,
    read_folder_index,
    release_claim,
)
from tests.regressions import conftest as regressions
from tests.regressions.outcomes import outcome_of
from tests.regressions.playing import cleared, context, defer, made, resume
from tests.unit.instance import Instance
from tests.unit.storage_stand_ins import (
    SAVED,
    Host,
    finished,
    make_video,
    manifest,
    names,
    origin,
    place,
    save,
    whole,
)

Start = Callable[..., Sandbox]
start, variables = regressions.start, regressions.variables

SIDECAR = "red-panda.mp4.json"


@pytest.fixture
def host(host: Host) -> Host:
    host.serve("/a.mp4", whole(make_video()))
    return host


def write(folder: Path, file: str = "red-panda.mp4", data: bytes = make_video(), **more: Any) -> None:
    """A video and its sidecar."""
    told = {
        "version": 1,
        "identity": "af-identity",
        "kling_task_id": "912",
        "external_task_id": "af-0123456789",
        "name": "red-panda",
        "type": "text_to_video",
        "prompt": "A red panda brews tea",
        "model": "kling-3.0",
        "take": 0,
        "request": {"prompt": "A red panda brews tea", "name": "red-panda"},
        "suffixes": [],
        "output_type": "video",
        "output_id": "out-0",
        "duration": 1.041,
        "bytes": len(data),
        "sha256": sha256(data).hexdigest(),
        "poster": None,
        "billing": [{"charge_type": "unit", "amount": "3.0", "currency": None}],
        "finished_at": "2026-11-24T06:01:30.436+00:00",
        "saved_at": "2026-11-24T06:01:31.000+00:00",
        "dag_id": "videos",
        "run_id": "manual__1",
        "task_id": "save",
        "map_index": 3,
    }
    (folder / file).write_bytes(data)
    (folder / f"{file}.json").write_text(json.dumps(told | more))


def write_claim(folder: Path, **more: Any) -> None:
    claim = {
        "version": 1,
        "claim": True,
        "identity": "af-identity",
        "name": "red-panda",
        "dag_id": "videos",
        "run_id": "manual__1",
        "task_id": "save",
        "map_index": 3,
        "claimed_at": "2026-11-24T06:00:12+00:00",
    }
    (folder / SIDECAR).write_text(json.dumps(claim | more))


def find(folder: Path, whose: Any = None, **more: Any) -> Any:
    return find_saved_result(place(folder), "red-panda", whose or origin(), **more)


def test_an_intact_sidecar_counts_as_saved_and_becomes_a_manifest(tmp_path: Path) -> None:
    write(tmp_path)
    before = (tmp_path / "red-panda.mp4").stat().st_mtime_ns
    assert read_folder_index(str(tmp_path)).saved == {"912"}
    asked = find(tmp_path, keep_form=True)
    assert names(tmp_path) == ["red-panda.mp4", SIDECAR]
    found = find(tmp_path)
    assert found == asked
    assert found.reused
    assert names(tmp_path) == ["red-panda.kling.json", "red-panda.mp4"]
    assert (tmp_path / "red-panda.mp4").stat().st_mtime_ns == before
    told = manifest(tmp_path)
    assert told == found.manifest
    assert (told.identity, told.kling_task_id, told.billing[0]["amount"]) == ("af-identity", "912", "3.0")
    assert [(one.file, one.id, one.duration) for one in told.outputs] == [("red-panda.mp4", "out-0", 1.041)]
    assert find(tmp_path) == found
    assert read_folder_index(str(tmp_path)).saved == {"912"}


def test_several_sidecars_of_one_task_become_one_manifest(tmp_path: Path) -> None:
    for number in (0, 1):
        write(tmp_path, f"red-panda-{number}.mp4", make_video(0.5 + number), suffixes=["-0.mp4", "-1.mp4"])
    assert [Path(one.file).name for one in find(tmp_path).files] == ["red-panda-0.mp4", "red-panda-1.mp4"]
    assert names(tmp_path) == ["red-panda-0.mp4", "red-panda-1.mp4", "red-panda.kling.json"]


def test_a_result_that_is_itself_called_like_the_first_of_several_is_another_one(tmp_path: Path) -> None:
    write(tmp_path, "red-panda-0.mp4", name="red-panda-0", identity="af-other")
    assert claim_place(place(tmp_path), "red-panda", origin()) == "red-panda"


@pytest.mark.parametrize("damage", ["cut", "gone", "one of two"])
def test_what_is_not_whole_is_not_saved(tmp_path: Path, damage: str) -> None:
    if damage == "one of two":
        write(tmp_path, "red-panda-0.mp4", suffixes=["-0.mp4", "-1.mp4"])
    else:
        write(tmp_path)
        file = tmp_path / "red-panda.mp4"
        file.unlink() if damage == "gone" else file.write_bytes(make_video()[:500])
    assert find(tmp_path) is None
    assert claim_place(place(tmp_path), "red-panda", origin()) == "red-panda"


def test_what_was_cut_is_saved_again_with_a_manifest(tmp_path: Path, host: Host) -> None:
    write(tmp_path, data=make_video()[:500], bytes=5000)
    save(finished(f"{host.url}/a.mp4"), tmp_path)
    assert names(tmp_path) == SAVED
    assert (tmp_path / "red-panda.mp4").read_bytes() == make_video()


def test_a_sidecar_of_others_is_refused_before_paying_and_names_its_owner(tmp_path: Path) -> None:
    write(tmp_path, identity="af-other", dag_id="trailers")
    for replace in (False, True):
        with pytest.raises(
            KlingRequestError, match=r"belongs to another result .*Dag trailers, run manual__1"
        ):
            claim_place(place(tmp_path), "red-panda", origin(), replace=replace)
    assert names(tmp_path) == ["red-panda.mp4", SIDECAR]


def test_another_request_of_the_same_task_goes_beside_it_or_replaces_it(tmp_path: Path, host: Host) -> None:
    write(tmp_path, identity="af-older", run_id="manual__0", data=make_video(0.5))
    new = origin("af-" + "0" * 8 + "a" * 32)
    assert claim_place(place(tmp_path), "red-panda", new) == "red-panda.aaaaaaaa"
    assert claim_place(place(tmp_path), "red-panda", new, replace=True) == "red-panda"
    save(finished(f"{host.url}/a.mp4"), tmp_path, origin=new, replace=True)
    assert names(tmp_path) == ["red-panda.aaaaaaaa.kling.json", *SAVED]  # the operator gives the claim back
    assert (tmp_path / "red-panda.mp4").read_bytes() == make_video()


def test_a_claim_of_ours_is_taken_over_and_becomes_a_claim_of_today(tmp_path: Path, host: Host) -> None:
    write_claim(tmp_path)
    assert claim_place(place(tmp_path), "red-panda", origin()) == "red-panda"
    assert names(tmp_path) == ["red-panda.kling.json"]
    with pytest.raises(KlingRequestError, match=r"is claimed for another result .*Dag videos"):
        claim_place(place(tmp_path), "red-panda", origin("af-other", dag_id="trailers"))
    save(finished(f"{host.url}/a.mp4"), tmp_path)
    assert names(tmp_path) == SAVED


def test_a_task_that_waited_over_the_upgrade_saves_in_the_place_of_its_claim(
    tmp_path: Path, host: Host
) -> None:
    write_claim(tmp_path)
    save(finished(f"{host.url}/a.mp4"), tmp_path)
    assert names(tmp_path) == SAVED


def test_claims_of_others_are_refused_listed_and_released(tmp_path: Path) -> None:
    write_claim(tmp_path, identity="af-other", dag_id="trailers")
    with pytest.raises(KlingRequestError, match=f"claims release 'file://{tmp_path}/{SIDECAR}'"):
        claim_place(place(tmp_path), "red-panda", origin())
    for target in ("", "red-panda.mp4", SIDECAR):
        [found] = find_claims(f"{tmp_path}/{target}")
        assert found.claim is not None
        assert found.claim.dag_id == "trailers"
    assert release_claim(found)
    assert names(tmp_path) == []


@pytest.mark.parametrize("is_turned", [False, True])
def test_a_memory_of_files_finds_them_in_both_forms(tmp_path: Path, is_turned: bool) -> None:
    write(tmp_path)
    if is_turned:
        find(tmp_path)
    found = find_saved_by_file(place(tmp_path) / "red-panda.mp4", "af-identity")
    assert found is not None
    assert found.manifest_file == f"file://{tmp_path}/red-panda.kling.json"
    assert find_saved_by_file(found.path, "af-identity") == found
    assert find_saved_by_file(place(tmp_path) / "red-panda.mp4", "af-other") is None


def to_earlier_form(folder: Path, stem: str = "panda") -> None:
    """Make a sidecar of a manifest, as an earlier release would have left it."""
    path = folder / f"{stem}.kling.json"
    told = json.loads(path.read_text())
    [output] = told.pop("outputs")
    told |= {key: output[key] for key in ("bytes", "sha256", "duration", "poster")}
    told |= {"output_type": output["type"], "output_id": output["id"], "suffixes": []}
    (folder / f"{output['file']}.json").write_text(json.dumps(told))
    path.unlink()


@pytest.mark.parametrize("replace", [False, True])
@pytest.mark.parametrize("profile", ["gateway", "kling"])
def test_a_saved_file_of_an_earlier_release_is_never_paid_again(
    profile: str, replace: bool, start: Start, tmp_path: Path, variables: dict[str, Any]
) -> None:
    """A Dag's scope, no lock at the host, and nothing left that remembers but the file."""
    sandbox = start(profile)
    operator = KlingGenerateOperator(
        task_id="video",
        request={"prompt": "A red panda brews tea", "name": "panda", "duration": 3},
        destination=str(tmp_path),
        pay_once_per="dag",
        replace=replace,
    )
    monday, tuesday = Instance(run_id="monday"), Instance(run_id="tuesday")
    first = resume(operator, monday, defer(operator, monday, sandbox))
    to_earlier_form(tmp_path)
    video = (tmp_path / "panda.mp4").read_bytes()
    variables.clear()
    for instance in (tuesday, cleared(tuesday), cleared(monday)):
        instance.store.clear()
        result = outcome_of(lambda instance=instance: operator.execute(context(instance)))
        assert isinstance(result, dict), repr(result)
        assert result["kling_task_id"] == first["kling_task_id"]
        assert result["manifest"] == f"file://{tmp_path}/panda.kling.json"
    assert made(sandbox) == 1
    assert (tmp_path / "panda.mp4").read_bytes() == video
    assert names(tmp_path) == ["panda.kling.json", "panda.mp4", "panda.mp4.jpg"]

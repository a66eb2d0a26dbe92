# SPDX-License-Identifier: Apache-2.0
"""Which place a request gets, that it is kept for it, and who may take it."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from kling_provider.exceptions import KlingRequestError
from kling_provider.storage import (
    Origin,
    SavedResult,
    choose_place,
    claim_place,
    destination_path,
    find_claims,
    find_saved_result,
    read_folder_index,
    release_claim,
    release_place,
    stem_beside,
)
from tests.unit.storage_stand_ins import (
    SAVED,
    Host,
    finished,
    make_video,
    names,
    origin,
    place,
    save,
    whole,
)

FIRST = origin("af-" + "0" * 8 + "a" * 32)
BESIDE_FIRST = "red-panda.aaaaaaaa"
CLAIM = "red-panda.kling.json"


@pytest.fixture
def host(host: Host) -> Host:
    host.serve("/a.mp4", whole(make_video()))
    host.serve("/b.mp4", whole(make_video(0.5)))
    return host


def another(identity: str = "b", **facts: Any) -> Origin:
    """Another request of the same Dag, task and name."""
    return origin("af-" + "0" * 8 + identity * 32, **facts)


def claim(folder: Path, whose: Origin = FIRST, *, replace: bool = False) -> str:
    return claim_place(destination_path(str(folder)), "red-panda", whose, replace=replace)


def saved(
    folder: Path, host: Host, whose: Origin, stem: str, link: str = "/a.mp4", **more: Any
) -> SavedResult:
    task = finished(f"{host.url}{link}?Signature=s", id=f"task-of-{whose.identity[-4:]}")
    beside = [stem_beside("red-panda", whose.identity)]
    return save(task, folder, stem, origin=whose, beside=beside, **more)


def find(folder: Path, whose: Origin) -> list[str]:
    """The files of what is saved."""
    found = find_saved_result(place(folder), "red-panda", whose)
    return [Path(one.file).name for one in found.files] if found else []


def test_a_claim_says_for_whom_the_place_is_kept(tmp_path: Path) -> None:
    assert claim(tmp_path / "not yet there") == "red-panda"
    told = json.loads((tmp_path / "not yet there" / CLAIM).read_text())
    assert told.pop("claimed_at").endswith("+00:00")
    assert told == {
        "version": 1,
        "identity": FIRST.identity,
        "name": "red-panda",
        "type": "text_to_video",
        "prompt": "A red panda brews tea",
        "model": "kling-3.0",
        "take": 0,
        "outputs": [],
        "billing": [],
        "dag_id": "videos",
        "run_id": "manual__1",
        "task_id": "save",
        "map_index": 3,
    }


def test_the_same_request_takes_its_claim_over(tmp_path: Path) -> None:
    """A retry, and another run where the video is paid once for all of them."""
    claim(tmp_path)
    before = (tmp_path / CLAIM).read_bytes()
    assert claim(tmp_path) == "red-panda"
    assert claim(tmp_path, origin(FIRST.identity, run_id="manual__2", map_index=8)) == "red-panda"
    assert (tmp_path / CLAIM).read_bytes() == before


@pytest.mark.parametrize(
    "other",
    [
        {"dag_id": "trailers"},
        {"task_id": "cut"},
        {"name": "red panda!"},
        {"name": None},
    ],
    ids=str,
)
def test_a_claim_of_others_is_refused_before_paying_and_names_its_owner(
    tmp_path: Path, other: dict[str, Any]
) -> None:
    claim(tmp_path, another(**other))
    for replace in (False, True):
        with pytest.raises(KlingRequestError, match="is claimed for another result") as error:
            claim(tmp_path, replace=replace)
        text = str(error.value)
        assert (
            f"Dag {other.get('dag_id', 'videos')}, run manual__1, task {other.get('task_id', 'save')}" in text
        )
        assert "map index 3" in text
        assert f"python -m kling_provider claims release 'file://{tmp_path}/red-panda.kling.json'" in text
        assert text.endswith("Nothing was sent, nothing is billed.")
    assert names(tmp_path) == [CLAIM]


@pytest.mark.parametrize(
    "other", [{}, {"run_id": "manual__2"}, {"map_index": 4}, {"take": 0, "prompt": "Another prompt"}], ids=str
)
def test_another_request_of_the_same_dag_task_and_name_goes_beside(
    tmp_path: Path, host: Host, other: dict[str, Any]
) -> None:
    changed = another(**other)
    assert claim(tmp_path) == "red-panda"
    assert claim(tmp_path, changed) == "red-panda.bbbbbbbb"
    first, second = (
        saved(tmp_path, host, FIRST, "red-panda"),
        saved(tmp_path, host, changed, "red-panda.bbbbbbbb", "/b.mp4"),
    )
    assert (tmp_path / "red-panda.mp4").read_bytes() == make_video()
    assert (tmp_path / "red-panda.bbbbbbbb.mp4").read_bytes() == make_video(0.5)
    for whose, result in ((FIRST, first), (changed, second)):
        assert find_saved_result(place(tmp_path), "red-panda", whose).path == result.path  # type: ignore[union-attr]
    # The next one has a third place; what was paid stays where it is.
    assert claim(tmp_path, another("c")) == "red-panda.cccccccc"
    assert find_claims(str(tmp_path))[0].claim == find_claims(str(tmp_path / "red-panda.cccccccc"))[0].claim


def test_without_a_name_it_is_the_same_request_at_the_same_map_index_only(tmp_path: Path) -> None:
    claim(tmp_path, another(name=None))
    assert claim(tmp_path, origin(FIRST.identity, name=None, run_id="manual__2")) == BESIDE_FIRST
    with pytest.raises(KlingRequestError, match="is claimed for another result"):
        claim(tmp_path, another("c", name=None, map_index=4))


def test_replace_takes_the_plain_name_from_what_this_task_made(tmp_path: Path, host: Host) -> None:
    old = another(run_id="manual__0")
    claim(tmp_path, old)
    saved(tmp_path, host, old, "red-panda", "/b.mp4")
    assert claim(tmp_path, replace=True) == "red-panda"
    # Until the new one is there the old one is whole, and known.
    assert find(tmp_path, old) == ["red-panda.mp4"]
    assert saved(tmp_path, host, FIRST, "red-panda", replace=True).files[0].file.endswith("/red-panda.mp4")
    release_place(destination_path(str(tmp_path)), "red-panda", FIRST)
    assert (tmp_path / "red-panda.mp4").read_bytes() == make_video()
    assert names(tmp_path) == SAVED


def test_replace_never_takes_what_another_entry_of_the_same_run_made(tmp_path: Path, host: Host) -> None:
    """Two mapped entries with one name, both with ``replace=True``: each video is paid, and none is lost."""
    sibling = another(map_index=4)
    assert claim(tmp_path, replace=True) == "red-panda"
    assert claim(tmp_path, sibling, replace=True) == "red-panda.bbbbbbbb"
    saved(tmp_path, host, FIRST, "red-panda", replace=True)
    saved(tmp_path, host, sibling, "red-panda.bbbbbbbb", "/b.mp4", replace=True)
    assert claim(tmp_path, sibling, replace=True) == "red-panda.bbbbbbbb"
    assert (tmp_path / "red-panda.mp4").read_bytes() == make_video()
    assert (tmp_path / "red-panda.bbbbbbbb.mp4").read_bytes() == make_video(0.5)


def test_what_nobody_made_gives_its_place_back(tmp_path: Path, host: Host) -> None:
    root = destination_path(str(tmp_path))
    claim(tmp_path)
    release_place(root, "red-panda", origin(FIRST.identity, run_id="manual__2"))
    release_place(root, "red-panda", another())
    assert names(tmp_path) == [CLAIM]  # of another run, or another request: not ours to give back
    release_place(root, "red-panda", FIRST)
    release_place(root, "red-panda", FIRST)
    assert names(tmp_path) == []
    assert claim(tmp_path, another(dag_id="trailers")) == "red-panda"
    saved(tmp_path, host, another(dag_id="trailers"), "red-panda")
    release_place(root, "red-panda", another(dag_id="trailers"))
    assert names(tmp_path) == SAVED


def test_several_files_of_one_task_hold_one_place(tmp_path: Path, host: Host) -> None:
    claim(tmp_path)
    save(finished(f"{host.url}/a.mp4", f"{host.url}/b.mp4"), tmp_path, origin=FIRST)
    assert names(tmp_path) == [
        "red-panda-0.mp4",
        "red-panda-0.mp4.jpg",
        "red-panda-1.mp4",
        "red-panda-1.mp4.jpg",
        CLAIM,
    ]
    assert find(tmp_path, FIRST) == ["red-panda-0.mp4", "red-panda-1.mp4"]
    assert claim(tmp_path, another()) == "red-panda.bbbbbbbb"
    with pytest.raises(KlingRequestError, match=r"red-panda belongs to another result"):
        claim(tmp_path, another(dag_id="trailers"))
    # Another one that is itself called like one of the files is told whose it is.
    with pytest.raises(
        KlingRequestError, match=r"red-panda-0\.mp4 belongs to another result .*run manual__1"
    ):
        claim_place(place(tmp_path), "red-panda-0", another(dag_id="trailers"))
    (tmp_path / "red-panda-1.mp4").unlink()
    assert find(tmp_path, FIRST) == []


def test_of_many_at_once_one_gets_the_place(tmp_path: Path) -> None:
    """Twenty tasks of different Dags, in threads that start together."""
    results: list[str] = []
    begin = threading.Barrier(20)

    def want(number: int) -> None:
        begin.wait()
        try:
            results.append(claim(tmp_path, origin(f"af-{number}", dag_id=f"dag-{number}")))
        except KlingRequestError as error:
            results.append(str(error).partition(" (")[0])

    threads = [threading.Thread(target=want, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    refused = f"file://{tmp_path}/red-panda is claimed for another result"
    assert sorted(results) == [refused] * 19 + ["red-panda"]
    assert names(tmp_path) == [CLAIM]


def test_checking_a_place_leaves_nothing_behind(tmp_path: Path) -> None:
    assert choose_place(destination_path(str(tmp_path / "new")), "red-panda", FIRST).stem == "red-panda"
    assert not (tmp_path / "new").exists()


def test_claims_are_listed_and_released(tmp_path: Path, host: Host) -> None:
    claim(tmp_path)
    claim_place(destination_path(str(tmp_path)), "deep/er/lamp", another(name="lamp"))
    saved(tmp_path, host, another("d", name="done"), "done")
    (tmp_path / "notes.json").write_text("{}")
    (tmp_path / "large.json").write_text(" " * 100_000)
    (tmp_path / "torn.kling.json").touch()
    found = find_claims(str(tmp_path))
    assert [one.file.name for one in found] == ["lamp.kling.json", CLAIM, "torn.kling.json"]
    assert [one.claim.name if one.claim else None for one in found] == ["lamp", "red-panda", None]
    assert read_folder_index(str(tmp_path)).saved == {"task-of-dddd"}

    assert all(release_claim(one) for one in found)
    assert not any(release_claim(one) for one in found)
    assert find_claims(str(tmp_path)) == []
    with pytest.raises(KlingRequestError, match="neither a folder nor a claim"):
        find_claims(str(tmp_path / "nothing.mp4"))


def test_a_claim_that_changed_hands_is_not_released(tmp_path: Path) -> None:
    claim(tmp_path)
    (found,) = find_claims(str(tmp_path / CLAIM))
    release_place(destination_path(str(tmp_path)), "red-panda", FIRST)
    claim(tmp_path, another())
    assert not release_claim(found)
    assert names(tmp_path) == [CLAIM]

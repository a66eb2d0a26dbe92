# SPDX-License-Identifier: Apache-2.0
"""Which cards there are, in which order and state, page by page, and what has changed since."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest

from kling_provider.plugins.gallery.filters import STATES
from tests.unit.gallery.conftest import RUN, As
from tests.unit.gallery.seeds import Seeds

ANN = "ann_clips"


def cards(as_user: As, user: str = "ann", **query: Any) -> list[dict[str, Any]]:
    """All cards of all pages, in order."""
    found: list[dict[str, Any]] = []
    cursor = None
    while True:
        answer = as_user(user).get(
            "/kling/api/videos", params={**query, **({"cursor": cursor} if cursor else {})}
        )
        assert answer.status_code == 200, answer.text
        page = answer.json()
        assert len(page["cards"]) <= 24
        found += page["cards"]
        cursor = page["next"]
        if cursor is None:
            return found


def keys(as_user: As, **query: Any) -> list[str]:
    return [card["key"] for card in cards(as_user, **query)]


def states(as_user: As, **query: Any) -> dict[str, str]:
    return {card["key"]: card["state"] for card in cards(as_user, **query)}


@pytest.mark.slow
def test_pages_hold_everything_once_newest_first(seeds: Seeds, as_user: As) -> None:
    for number in range(60):
        seeds.tick()
        if number % 3:
            seeds.video(ANN, RUN, map_index=number, kling_task_id=f"v{number}")
        else:
            seeds.job(ANN, RUN, map_index=number, kling_task_id=f"v{number}")
    seeds.session.commit()
    assert keys(as_user) == [f"v{number}" for number in reversed(range(60))]


def test_what_arrives_between_two_pages_moves_nothing(seeds: Seeds, as_user: As) -> None:
    for number in range(30):
        seeds.video(ANN, RUN, map_index=number, kling_task_id=f"v{number}")
    seeds.session.commit()
    ann = as_user("ann")
    first = ann.get("/kling/api/videos").json()
    seeds.video(ANN, RUN, map_index=90, kling_task_id="new")
    seeds.session.commit()
    second = ann.get("/kling/api/videos", params={"cursor": first["next"]}).json()
    assert [card["key"] for card in first["cards"] + second["cards"]] == [
        f"v{n}" for n in reversed(range(30))
    ]


@pytest.mark.parametrize("cursor", ["", "x", "bm90IGpzb24=", "WzEsIFsxXV0=", "e30="])
def test_a_cursor_that_is_none_of_ours(seeds: Seeds, as_user: As, cursor: str) -> None:
    assert as_user("ann").get("/kling/api/videos", params={"cursor": cursor}).status_code == 400


def test_each_kling_task_once_where_it_was_finished_first_as_it_is_now(seeds: Seeds, as_user: As) -> None:
    """A sensor and a download announce the same task; a later run delivers it again; so does another DAG."""
    seeds.run(ANN, "later")
    seeds.job(ANN, RUN, "submit", says="submitted", state="success", kling_task_id="old")
    seeds.video(ANN, RUN, "wait", kling_task_id="old")
    seeds.video(ANN, RUN, "save", kling_task_id="old", files=[seeds.saved("a.mp4", "old")])
    seeds.video(ANN, RUN, map_index=1, kling_task_id="new")
    seeds.video(ANN, "later", kling_task_id="old", files=[seeds.saved("b.mp4", "old")], adopted=True)
    seeds.video("bob_clips", RUN, kling_task_id="old")
    seeds.session.commit()
    assert keys(as_user) == ["new", "old"]
    [_, old] = cards(as_user)
    assert (old["run_id"], old["task_id"], old["again"]) == ("later", "video", False)  # this Dag paid for it
    [theirs] = cards(as_user, "root", dag_id="bob_clips")
    assert theirs["again"] is True
    [later] = cards(as_user, dag_id=ANN, run_id="later")
    assert later["again"] is True
    assert old["outputs"][0]["address"].endswith("/b.mp4")
    # On the tab of the first run it is that run's.
    [mine] = cards(as_user, dag_id=ANN, run_id=RUN, text="porch", task_id="save")
    assert mine["outputs"][0]["address"].endswith("/a.mp4")
    assert mine["again"] is False


@pytest.mark.slow
@pytest.mark.parametrize(
    ("says", "task_state", "run_state", "shown"),
    [
        ("waiting_for_concurrency", "deferred", "running", "waiting_for_concurrency"),
        ("waiting_for_concurrency", "scheduled", "running", "waiting_for_concurrency"),
        ("submitted", "deferred", "running", "rendering"),
        ("processing", "queued", "running", "rendering"),
        ("processing", None, "running", "rendering"),
        ("queued", "deferred", "running", "waiting_for_concurrency"),
        ("succeeded", "running", "running", "fetching"),
        ("succeeded", "success", "running", None),  # it has delivered itself
        ("failed", "running", "running", "failed"),
        ("failed", "up_for_retry", "running", "retrying"),
        ("failed", "failed", "failed", "failed"),
        ("processing", "failed", "failed", "failed"),  # marked by hand, or killed
        ("submitted", "success", "running", "rendering"),  # others of its run wait for it
        ("submitted", "success", "failed", "uncollected"),
        ("submitted", "success", "success", "uncollected"),
        ("planned", "success", "success", None),
        ("processing", "skipped", "success", None),
        ("processing", "removed", "success", None),
        ("processing", "skipped", "failed", "uncollected"),  # somebody ended the run
        ("processing", "removed", "failed", "uncollected"),
    ],
)
def test_states_of_what_is_not_done(
    seeds: Seeds, as_user: As, says: str, task_state: str | None, run_state: str, shown: str | None
) -> None:
    seeds.run(ANN, "run", run_state)
    seeds.job(ANN, "run", says=says, state=task_state, kling_task_id="k1")
    seeds.session.commit()
    assert states(as_user) == ({} if shown is None else {"k1": shown})
    if shown is not None:
        assert states(as_user, state=shown) == {"k1": shown}
    for other in {*STATES} - {shown}:
        assert states(as_user, state=other) == {}


def test_a_wait_in_the_queue_that_ended_leaves_no_card(seeds: Seeds, as_user: As) -> None:
    """The video was found saved after the wait, so there is an event and the old XCom."""
    seeds.job(ANN, RUN, says="waiting_for_concurrency", state="success")
    seeds.video(ANN, RUN, kling_task_id="k1")
    seeds.session.commit()
    assert states(as_user) == {"k1": "done"}


def test_of_two_jobs_for_one_kling_task_the_later_word_counts(seeds: Seeds, as_user: As) -> None:
    seeds.job(ANN, RUN, "submit", says="submitted", state="success", kling_task_id="k1")
    seeds.job(ANN, RUN, "wait", says="failed", state="failed", kling_task_id="k1", reason="Refused (1301).")
    seeds.session.commit()
    [card] = cards(as_user)
    assert (card["state"], card["reason"], card["task_id"]) == ("failed", "Refused (1301).", "wait")


def test_two_waits_in_the_queue_are_two_cards(seeds: Seeds, as_user: As) -> None:
    for index in range(2):
        seeds.job(ANN, RUN, map_index=index, says="waiting_for_concurrency")
    seeds.session.commit()
    assert len(set(keys(as_user))) == 2


def test_each_filter_finds_its_cards(seeds: Seeds, as_user: As) -> None:
    day = datetime(2026, 8, 1, tzinfo=UTC)
    seeds.dag("bob_more")
    seeds.run(ANN, "second")
    request = {"name": "Tram", "prompt": "Up the steep street, 100% in the sun", "model": "kling-3.0-turbo"}
    seeds.video(ANN, RUN, kling_task_id="panda", at=day)
    seeds.video(ANN, RUN, "film.save", 3, kling_task_id="tram", at=day + timedelta(days=1), **request)
    seeds.job(ANN, "second", "video", kling_task_id="waits", request=request, at=day + timedelta(days=2))
    seeds.session.commit()

    def found(**query: Any) -> set[str]:
        return set(keys(as_user, **query))

    assert found() == {"panda", "tram", "waits"}
    assert found(text="PORCH") == {"panda"}
    assert found(text="tram") == {"tram", "waits"}
    assert found(text="100%") == {"tram", "waits"}
    assert found(text="1%0") == set()  # a sign of SQL is a sign of the text
    assert found(model="kling-3.0-turbo") == {"tram", "waits"}
    assert found(state="done", model="kling-3.0-turbo") == {"tram"}
    assert found(dag_id=ANN, run_id="second") == {"waits"}
    assert found(dag_id=ANN, run_id=RUN, task_id="film.save", map_index=3) == {"tram"}
    assert found(after=(day + timedelta(hours=1)).isoformat()) == {"tram", "waits"}
    assert found(before=(day + timedelta(days=1)).isoformat()) == {"panda"}
    assert found(after="2026-08-02T00:00:00", before="2026-08-03T00:00:00") == {"tram"}
    assert as_user("ann").get("/kling/api/videos", params={"state": "nonsense"}).status_code == 422


def test_one_dag_whose_name_begins_like_another(
    seeds: Seeds, as_user: As, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.unit.gallery import server

    monkeypatch.setitem(server.READERS, "ann", {"a%", "a", "ab"})
    for dag_id in ("a", "ab", "a%"):
        seeds.dag(dag_id)
        seeds.run(dag_id, RUN)
        seeds.video(dag_id, RUN, kling_task_id=dag_id)
    seeds.session.commit()
    for dag_id in ("a", "ab", "a%"):
        assert keys(as_user, dag_id=dag_id) == [dag_id]


def test_a_waiting_job_becomes_a_video(seeds: Seeds, as_user: As) -> None:
    ann = as_user("ann")
    seeds.video(ANN, RUN, map_index=9, kling_task_id="before")
    seeds.job(ANN, RUN, map_index=0, says="waiting_for_concurrency")
    seeds.session.commit()
    page = ann.get("/kling/api/videos").json()
    since = page["since"]
    assert [card["state"] for card in page["cards"]] == ["waiting_for_concurrency", "done"]

    quiet = ann.get("/kling/api/changes", params={"since": since}).json()
    assert ([card["state"] for card in quiet["cards"]], quiet["whole"]) == (["waiting_for_concurrency"], True)

    seeds.video(ANN, RUN, map_index=0, kling_task_id="k1")
    seeds.session.commit()
    news = ann.get("/kling/api/changes", params={"since": since}).json()
    assert "k1" in {card["key"] for card in news["cards"] if card["state"] == "done"}
    assert "before" not in {card["key"] for card in news["cards"]}
    assert (
        ann.get("/kling/api/changes", params={"since": news["since"]}).json()["since"]
        == news["since"]
        > since
    )
    assert ann.get("/kling/api/changes", params={"since": since, "state": "failed"}).json()["cards"] == []


def test_more_changes_than_a_page_come_one_page_after_the_other(seeds: Seeds, as_user: As) -> None:
    for number in range(40):
        seeds.video(ANN, RUN, map_index=number, kling_task_id=f"v{number}")
        seeds.job(ANN, RUN, "other", number, kling_task_id=f"j{number}")
    seeds.session.commit()
    seen: list[str] = []
    since = 0
    for _ in range(2):
        page = as_user("ann").get("/kling/api/changes", params={"since": since}).json()
        done = [card["key"] for card in page["cards"] if card["state"] == "done"]
        assert (len(page["cards"]), page["whole"]) == (len(done) + 24, False)
        seen, since = seen + done, page["since"]
    assert seen == [f"v{number}" for number in range(40)]


def test_how_long_it_will_take_is_what_it_took_lately(seeds: Seeds, as_user: As) -> None:
    at = seeds.tick()
    published = (at + timedelta(seconds=230)).isoformat()
    seeds.job(ANN, RUN, map_index=0, kling_task_id="k0", at=at)
    seeds.session.commit()
    [card] = cards(as_user)
    assert (card["since"], card["expected"]) == (at.isoformat(), None)
    for seconds in (60, 80, 600):
        end = seeds.tick(1000)
        created = (end - timedelta(seconds=seconds)).isoformat()
        seeds.video(
            ANN, RUN, "old", seconds, kling_task_id=str(seconds), at=end, created_at=created, duration=10.0
        )
    seeds.job(
        ANN,
        RUN,
        map_index=1,
        kling_task_id="k1",
        request={"model": "new"},
        known={"expected_at": published},
        at=at,
    )
    seeds.session.commit()
    found = {card["key"]: card["expected"] for card in cards(as_user, state="rendering")}
    assert found == {"k0": 40.0, "k1": 230.0}  # 5 s at 8 s each; and what its task said


def test_the_total_of_a_run_counts_what_it_paid_once(seeds: Seeds, as_user: As) -> None:
    money = [{"charge_type": "cash", "amount": "0.42", "currency": "USD"}]
    seeds.video(ANN, RUN, "wait", kling_task_id="k1")
    seeds.video(ANN, RUN, "save", kling_task_id="k1")
    seeds.video(ANN, RUN, map_index=1, kling_task_id="k2", billing=[{"charge_type": "unit", "amount": "2.5"}])
    seeds.video(ANN, RUN, map_index=2, kling_task_id="k3", billing=money)
    seeds.video(ANN, RUN, map_index=4, kling_task_id="k5", billing=[])
    seeds.run(ANN, "other")
    seeds.video(ANN, "other", kling_task_id="k6")
    seeds.video(ANN, "other", map_index=1, kling_task_id="k3", billing=money, adopted=True)
    seeds.session.commit()

    def total(run: str) -> tuple[int, int, dict[str, str]]:
        said = as_user("ann").get(f"/kling/api/runs/{ANN}/{quote(run, safe='')}/total").json()
        return said["finished"], said["again"], {one["currency"]: one["amount"] for one in said["paid"]}

    assert total(RUN) == (4, 0, {None: "5.5", "USD": "0.42"})
    assert total("other") == (2, 1, {None: "3"})


def test_units_of_two_kinds_of_packs_are_summed_apart(seeds: Seeds, as_user: As) -> None:
    def units(amount: str, **more: Any) -> list[dict[str, Any]]:
        return [{"charge_type": "unit", "amount": amount, **more}]

    seeds.video(ANN, RUN, kling_task_id="k1", billing=units("3"))
    seeds.video(ANN, RUN, map_index=1, kling_task_id="k2", billing=units("16", package_type="image"))
    # Of an earlier release, which did not keep the kind: the type tells it.
    seeds.video(ANN, RUN, map_index=2, kling_task_id="k3", billing=units("8"), type="image_generation")
    seeds.session.commit()
    said = as_user("ann").get(f"/kling/api/runs/{ANN}/{quote(RUN, safe='')}/total").json()
    assert sorted((one["package_type"], one["amount"]) for one in said["paid"]) == [
        ("image", "24"),
        ("video", "3"),
    ]


def test_the_total_of_a_dag_stays_when_a_run_delivers_again(seeds: Seeds, as_user: As) -> None:
    """With ``pay_once_per="dag"`` every later run delivers what the first one paid for."""
    seeds.video(ANN, RUN, kling_task_id="k1")
    for run in ("second", "third"):
        seeds.run(ANN, run)
        seeds.video(ANN, run, kling_task_id="k1", adopted=True)
    seeds.session.commit()
    for where in ({}, {"dag_id": ANN}):
        said = as_user("ann").get("/kling/api/sums", params=where).json()
        assert (said["finished"], said["again"], said["paid"]) == (
            1,
            0,
            [{"currency": None, "package_type": "video", "amount": "3"}],
        )
        [card] = cards(as_user, **where)
        assert card["again"] is False
    [card] = cards(as_user, dag_id=ANN, run_id="third")
    assert card["again"] is True


def test_what_a_retry_or_a_clear_adopted_was_paid_by_its_own_run(seeds: Seeds, as_user: As) -> None:
    """A worker died after the paid call, and the retry adopted; later the finished run was cleared."""
    for _ in range(2):
        seeds.video(ANN, RUN, kling_task_id="k1", adopted=True)
    seeds.session.commit()
    [one] = cards(as_user)
    assert one["again"] is False
    said = as_user("ann").get(f"/kling/api/runs/{ANN}/{quote(RUN, safe='')}/total").json()
    assert (said["finished"], said["again"], said["paid"]) == (
        1,
        0,
        [{"currency": None, "package_type": "video", "amount": "3"}],
    )


@pytest.mark.slow
def test_five_thousand_videos(seeds: Seeds, as_user: As) -> None:
    """A page at a time; ``benchmarks/gallery.py`` says how long it takes."""
    seeds.thousands(ANN, RUN, 5000)
    seeds.job(ANN, RUN, "waiting", kling_task_id="now")
    seeds.session.commit()
    ann = as_user("ann")
    page = ann.get("/kling/api/videos").json()
    assert [card["key"] for card in page["cards"]] == ["now", *(f"t{n}" for n in range(4999, 4976, -1))]
    last = ann.get("/kling/api/videos", params={"text": "porch"}).json()
    assert len(last["cards"]) == 24

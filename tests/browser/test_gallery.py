# SPDX-License-Identifier: Apache-2.0
"""The gallery as people meet it: in a browser, on a whole Airflow, with rights to some DAGs only."""

from __future__ import annotations

from typing import Any

import requests
from playwright.sync_api import expect

from tests.browser.cards import Visits, advances, card, play
from tests.support.stack import AirflowApi, AirflowStack


def test_one_sees_the_videos_of_ones_dags_and_no_others(
    finished: dict[str, str], stack: AirflowStack, visit: Visits
) -> None:
    page = visit("ann").gallery()
    expect(card(page, "kite")).to_be_visible()
    expect(card(page, "lighthouse")).to_be_visible()
    expect(page.get_by_role("article", name="secret")).to_have_count(0)
    assert page.locator("article", has_text="bob_clips").count() == 0
    choices = page.get_by_role("combobox", name="All Dags").locator("option")
    expect(choices).to_have_text(["All Dags", "ann_clips", "ann_kinds", "ann_others"])

    page = visit("root").gallery()
    expect(card(page, "secret")).to_be_visible()
    expect(card(page, "kite")).to_be_visible()


def test_files_need_a_session_and_the_right_to_their_dag(
    finished: dict[str, str], stack: AirflowStack, visit: Visits
) -> None:
    visited = visit("ann")
    address = f"{stack.address}/kling/videos/bob_clips/{finished['bob_clips']}/video/-1/0"
    own = f"{stack.address}/kling/videos/ann_clips/{finished['ann_clips']}/video/0/0"
    for path in (address, own, f"{stack.address}/kling/api/videos"):
        assert requests.get(path, timeout=30).status_code == 401
    session = visited.page.context.request
    assert session.get(address).status == 403
    part = session.get(own, headers={"Range": "bytes=4-7"})
    assert (part.status, part.body()) == (206, b"ftyp")
    assert session.get(own.replace("/0/0", "/0/..%2f0")).status == 404


def test_a_waiting_card_becomes_a_video_without_a_reload(admin: AirflowApi, visit: Visits) -> None:
    """A limit of one, two videos: one renders, the other waits in the queue."""
    visited = visit("ann")
    run_id = admin.trigger("ann_clips")
    page = visited.gallery(f"?dag_id=ann_clips&run_id={run_id}")
    page.evaluate("window.sameDocument = true")
    rendering = page.locator("article[data-state=rendering]")
    queued = page.locator("article[data-state=waiting_for_concurrency]")
    expect(rendering).to_have_count(1, timeout=90_000)
    expect(queued).to_have_count(1, timeout=60_000)
    expect(rendering.get_by_role("timer")).to_be_visible()
    expect(queued.get_by_role("timer")).to_be_visible()
    summary = page.get_by_test_id("kling-summary")
    expect(summary).to_contain_text("2 videos: 1 rendering, 1 waiting")
    expect(page.locator("article[data-state=done]")).to_have_count(2, timeout=150_000)
    expect(page.locator("article")).to_have_count(2)
    expect(summary).to_contain_text("2 videos: 2 saved · 6 units")
    assert page.evaluate("window.sameDocument")
    assert admin.wait_run("ann_clips", run_id) == "success"


def test_a_video_plays(finished: dict[str, str], visit: Visits) -> None:
    page = visit("ann").gallery("?dag_id=ann_clips")
    kite = card(page, "kite")
    kite.get_by_role("button", name="Play kite").click()
    assert advances(kite.locator("video"))


def test_the_keyboard_is_enough(finished: dict[str, str], visit: Visits) -> None:
    page = visit("ann").gallery("?text=kite")
    kite = card(page, "kite")
    button = kite.get_by_role("button", name="Play kite")
    expect(button).to_be_visible()
    page.get_by_role("searchbox").focus()
    for _ in range(20):
        page.keyboard.press("Tab")
        if button.evaluate("it => it === document.activeElement"):
            break
    page.keyboard.press("Enter")
    assert advances(kite.locator("video"))
    assert kite.locator("video").evaluate("video => video === document.activeElement")


def test_an_unsaved_video_comes_from_kling(finished: dict[str, str], visit: Visits) -> None:
    page = visit("ann").gallery("?dag_id=ann_others&state=done")
    crane = card(page, "A paper crane unfolds itself")
    expect(crane).to_contain_text("At Kling until")
    crane.get_by_role("button", name="Play").click()
    assert advances(crane.locator("video"))


def test_a_failed_one_says_why(finished: dict[str, str], visit: Visits) -> None:
    page = visit("ann").gallery("?state=failed")
    failed = card(page, "Something forbidden")
    expect(failed).to_contain_text("Failed")
    expect(failed).to_contain_text("1301")


def test_an_expired_one_says_so(finished: dict[str, str], visit: Visits) -> None:
    """Thirty days are not waited for: the page is told of a later date by its own answers."""
    visited = visit("ann")

    def later(route: Any) -> None:
        answer = route.fetch()
        body = answer.json()
        for one in body["cards"]:
            for output in one["outputs"]:
                output.update({"place": "expired", "src": None})
        route.fulfill(response=answer, json=body)

    visited.page.route("**/kling/api/videos*", later)
    page = visited.gallery("?dag_id=ann_others&state=done")
    expect(card(page, "A paper crane")).to_contain_text("Kling's link has expired")


def test_filters_stay_in_the_address(finished: dict[str, str], visit: Visits) -> None:
    page = visit("ann").gallery()
    expect(card(page, "kite")).to_be_visible()
    page.get_by_role("searchbox").fill("lighthouse")
    expect(card(page, "lighthouse")).to_be_visible()
    expect(page.get_by_role("article", name="kite")).to_have_count(0)
    page.get_by_role("searchbox").fill("")
    page.get_by_role("combobox", name="All Dags").select_option("ann_others")
    expect(page.get_by_role("article", name="lighthouse")).to_have_count(0)
    page.get_by_role("combobox", name="All states").select_option("done")
    expect(page.get_by_role("article")).to_have_count(1)
    assert "dag_id=ann_others" in page.url
    assert "state=done" in page.url
    page.reload()
    expect(page.get_by_role("article")).to_have_count(1)
    page.get_by_label("From").fill("2199-01-01")
    expect(page.get_by_text("Nothing fits these filters.")).to_be_visible()
    page.get_by_role("button", name="Clear").click()
    expect(card(page, "kite")).to_be_visible()


def test_from_the_gallery_to_the_tab_and_back(finished: dict[str, str], visit: Visits) -> None:
    """Without a reload: both are one module, and Airflow mounts it in two places."""
    visited = visit("ann")
    page = visited.open("/")
    page.get_by_role("button", name="Browse").click()
    page.get_by_role("menuitem", name="Kling results").click()
    expect(card(page, "kite")).to_be_visible()
    page.evaluate("window.sameDocument = true")
    there = card(page, "kite").get_by_role("link", name="Task instance")
    run_id = str(there.get_attribute("aria-label")).rpartition(" of run ")[2]
    there.click()
    page.wait_for_url("**/tasks/video/**")
    # Exactly: the card that is left behind has a link that ends with the run's name, too.
    page.get_by_role("link", name=run_id, exact=True).first.click()
    page.get_by_role("link", name="Kling results", exact=True).click()
    summary = page.get_by_test_id("kling-summary")
    expect(summary).to_contain_text("2 videos: 2 saved · 6 units")
    expect(page.get_by_role("article")).to_have_count(2)
    assert play(card(page, "lighthouse"))
    page.get_by_role("button", name="Browse").click()
    page.get_by_role("menuitem", name="Kling results").click()
    expect(page.get_by_role("heading", name="Kling results", level=1)).to_be_visible()
    expect(card(page, "kite")).to_be_visible()
    assert page.evaluate("window.sameDocument")

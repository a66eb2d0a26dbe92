# SPDX-License-Identifier: Apache-2.0
"""A card: what leads to it, what can be taken from it, what it says of data that is none, and the sum above all."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.cards import Visits, advances, card, play
from tests.support.stack import AirflowApi, AirflowStack


def instance(dag_id: str, run_id: str, task: str = "video/mapped/0") -> str:
    return f"/dags/{dag_id}/runs/{quote(run_id, safe='')}/tasks/{task}"


def names(page: Page) -> list[str]:
    return [str(one.get_attribute("aria-label")) for one in page.get_by_role("article").all()]


# -- the link of a task instance ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dag_id", "task", "name"),
    [
        ("ann_clips", "video/mapped/1", "lighthouse"),
        ("ann_others", "unsaved", "A paper crane unfolds itself"),
    ],
    ids=["saved", "at Kling"],
)
def test_the_link_video_leads_to_the_card_which_plays(
    dag_id: str, task: str, name: str, finished: dict[str, str], visit: Visits
) -> None:
    """A file of its own is nothing that Airflow's pages may show: it stays black."""
    page = visit("ann").open(f"{instance(dag_id, finished[dag_id], task)}/details")
    link = page.get_by_role("link", name="Result", exact=True)
    expect(link).to_be_visible()
    if link.get_attribute("target") == "_blank":
        with page.expect_popup() as opened:
            link.click()
        page = opened.value
    else:
        link.click()
    expect(page.get_by_role("article")).to_have_count(1)
    one = card(page, name)
    expect(one).to_be_visible()
    assert advances(one.locator("video")), "nobody has pressed play"
    where = parse_qs(urlsplit(page.url).query)
    assert (where["dag_id"], where["run_id"]) == ([dag_id], [finished[dag_id]])


def test_the_link_kling_videos_leads_to_the_card_and_plays_nothing(
    finished: dict[str, str], visit: Visits
) -> None:
    visited = visit("ann")
    page = visited.open(f"{instance('ann_clips', finished['ann_clips'])}/details")
    address = page.get_by_role("link", name="Kling results", exact=True).last.get_attribute("href")
    page.goto(str(address) if "://" in str(address) else visited.address + str(address))
    expect(card(page, "kite").get_by_role("button", name="Play")).to_be_visible()
    expect(page.get_by_role("article")).to_have_count(1)
    assert card(page, "kite").locator("video").evaluate("video => video.paused")


def test_a_dag_and_a_task_instance_have_the_tab(finished: dict[str, str], visit: Visits) -> None:
    visited = visit("ann")
    page = visited.open("/dags/ann_clips/plugin/kling-dag-videos")
    expect(card(page, "kite")).to_be_visible()
    expect(page.get_by_role("article", name="A paper crane")).to_have_count(0)
    page = visited.open(
        f"{instance('ann_clips', finished['ann_clips'], 'video/mapped/1')}/plugin/kling-task-videos"
    )
    expect(card(page, "lighthouse")).to_be_visible()
    expect(page.get_by_role("article")).to_have_count(1)


# -- the menu --------------------------------------------------------------------------------------------------


def menu(one: Locator) -> Locator:
    """Open the menu of a card."""
    one.get_by_role("button", name="More of").click()
    opened = one.page.get_by_role("menu")
    expect(opened).to_be_visible()
    return opened


def copied(one: Locator, entry: str) -> str:
    """Choose an entry that copies, and return what a paste brings."""
    one.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    menu(one).get_by_role("menuitem", name=entry, exact=True).click()
    expect(one.get_by_role("status")).to_have_text("Copied")
    expect(one.get_by_role("status")).to_have_count(0)  # it does not stay
    return str(one.page.evaluate("navigator.clipboard.readText()"))


def test_the_menu_of_a_saved_video(
    finished: dict[str, str], admin: AirflowApi, videos: Path, visit: Visits, tmp_path: Path
) -> None:
    run_id = finished["ann_clips"]
    result = admin.xcom("ann_clips", run_id, "video", 0)
    file = videos / f"{run_id}-kite.mp4"
    page = visit("ann").gallery(f"?dag_id=ann_clips&run_id={quote(run_id)}")
    kite = card(page, "kite")
    offered = menu(kite).get_by_role("menuitem")
    expect(offered).to_have_text(["Download", "Copy prompt", "Copy path", "Copy Kling id"])
    page.keyboard.press("Escape")

    with page.expect_download() as download:
        menu(kite).get_by_role("menuitem", name="Download").click()
    assert download.value.suggested_filename == file.name
    download.value.save_as(tmp_path / "kite.mp4")
    assert (tmp_path / "kite.mp4").read_bytes() == file.read_bytes()

    assert copied(kite, "Copy prompt") == "A kite over the dunes"
    assert copied(kite, "Copy path") == str(file)
    assert copied(kite, "Copy Kling id") == result["kling_task_id"]


def test_the_menu_of_one_that_is_at_kling(finished: dict[str, str], admin: AirflowApi, visit: Visits) -> None:
    result = admin.xcom("ann_others", finished["ann_others"], "unsaved")
    page = visit("ann").gallery("?dag_id=ann_others&state=done")
    crane = card(page, "A paper crane")
    expect(menu(crane).get_by_role("menuitem")).to_have_text(
        ["Copy prompt", "Copy Kling id", "Copy Kling's link"]
    )
    page.keyboard.press("Escape")
    assert copied(crane, "Copy Kling's link") == result["outputs"][0]["url"]


def test_the_menu_is_for_the_keyboard_too(finished: dict[str, str], visit: Visits) -> None:
    page = visit("ann").gallery("?dag_id=ann_clips&text=kite")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    card(page, "kite").get_by_role("button", name="More of kite").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("menu")).to_be_visible()
    page.keyboard.type("Copy p")  # the first that begins so
    page.keyboard.press("Enter")
    expect(card(page, "kite").get_by_role("status")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == "A kite over the dunes"


# -- data that is none -----------------------------------------------------------------------------------------


def test_cards_of_broken_data_say_so_and_the_others_work(finished: dict[str, str], visit: Visits) -> None:
    page = visit("root").gallery("?from=2000-01-01")
    year = card(page, "2024")
    expect(year).to_have_attribute("data-state", "done")
    expect(year).not_to_contain_text("cannot be read")  # a number is a prompt, too
    expect(card(page, "files are a text")).to_contain_text("cannot be read: files")
    expect(card(page, "billing is a text")).to_contain_text("cannot be read: billing")
    unreadable = page.locator("article[data-state=unreadable]", has_text="longer than 128 KiB")
    expect(unreadable).to_have_count(1)
    expect(unreadable.get_by_role("group", name="Reason")).to_contain_text(
        "Look at the asset event and the log of the task."
    )
    assert "no Kling task" not in names(page)
    request = page.locator("article[data-state=failed]", has_text="the request is a text")
    expect(request).to_contain_text("cannot be read: request")
    unreadable = page.locator("article[data-state=unreadable]")
    expect(unreadable).to_have_count(3)
    # The page is everybody's: what is beside them is there, and plays.
    assert play(card(page, "kite"))
    assert play(card(page, "secret"))


def test_broken_cards_lead_to_their_task_instance(finished: dict[str, str], visit: Visits) -> None:
    page = visit("root").gallery("?dag_id=odd_clips&state=unreadable")
    expect(page.get_by_role("article")).to_have_count(3)
    page.get_by_role("article").first.get_by_role("link", name="Task instance").click()
    page.wait_for_url("**/dags/odd_clips/runs/**/tasks/**")


# -- the sum ---------------------------------------------------------------------------------------------------


def test_the_sum_above_the_cards(
    finished: dict[str, str], stack: AirflowStack, admin: AirflowApi, visit: Visits
) -> None:
    visited = visit("ann")
    summary = visited.page.get_by_test_id("kling-summary")
    visited.gallery("?dag_id=ann_others")
    expect(summary).to_have_text(re.compile(r"2 videos: 1 at Kling, 1 failed · 1\.8 units$"))
    # A filter by state picks cards, and says how many there are of the others.
    visited.gallery("?dag_id=ann_others&state=failed")
    expect(visited.page.get_by_role("article")).to_have_count(1)
    expect(summary).to_have_text(re.compile(r"2 videos: 1 at Kling, 1 failed · 1\.8 units$"))
    visited.gallery(f"?dag_id=ann_clips&run_id={quote(finished['ann_clips'])}")
    expect(summary).to_have_text(re.compile(r"2 videos: 2 saved · 6 units$"))
    visited = visit("root")
    visited.gallery("?dag_id=odd_clips")
    expect(visited.page.get_by_test_id("kling-summary")).to_have_text(
        re.compile(r"7 videos: 3 at Kling, 1 failed, 3 unreadable$")
    )

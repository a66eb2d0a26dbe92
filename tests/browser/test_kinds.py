# SPDX-License-Identifier: Apache-2.0
"""Results of every kind in a browser: a grid of images, players of sounds, several outputs on one card, ids and facts."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.cards import Visits, advances, card
from tests.browser.conftest import Visit
from tests.support.chromium import new_page
from tests.support.stack import AirflowApi, AirflowStack

if TYPE_CHECKING:
    from playwright.sync_api import Browser, StorageState


@pytest.fixture(scope="module")
def kinds(admin: AirflowApi) -> str:
    """A run that has announced one result of each kind."""
    admin.wait_for_dag("ann_kinds")
    run_id = admin.trigger("ann_kinds")
    assert admin.wait_run("ann_kinds", run_id, timeout=240) == "success"
    return run_id


@pytest.fixture
def page(kinds: str, visit: Visits) -> Page:
    return visit("ann").gallery("?dag_id=ann_kinds")


def is_drawn(image: Locator) -> bool:
    image.page.wait_for_function(
        "image => image.complete && image.naturalWidth > 0", arg=image.element_handle()
    )
    return True


def test_nine_images_are_a_grid_of_four_that_opens(page: Page) -> None:
    boats = card(page, "nine boats")
    grid = boats.get_by_role("list", name="9 images")
    expect(grid.get_by_role("img")).to_have_count(4)
    for number in range(4):
        assert is_drawn(grid.get_by_role("img").nth(number))
    more = boats.get_by_role("button", name="Show all 9 images of nine boats")
    expect(more).to_have_text("+5")
    more.click()
    expect(grid.get_by_role("img")).to_have_count(9)
    expect(grid).to_be_focused()
    ninth = grid.get_by_role("img").nth(8)
    ninth.scroll_into_view_if_needed()
    assert is_drawn(ninth)
    whole = grid.get_by_role("link", name="Open nine boats, image 9 of 9").get_attribute("href")
    answer = page.context.request.get(str(whole))
    assert (answer.status, answer.headers["content-type"]) == (200, "image/png")
    boats.get_by_role("button", name="Show fewer").click()
    expect(grid.get_by_role("img")).to_have_count(4)


def test_a_sound_plays(page: Page) -> None:
    thunder = card(page, "thunder")
    sound = thunder.locator("audio")
    expect(sound).to_have_count(1)
    expect(sound).to_have_attribute("aria-label", re.compile("^Sound: thunder"))
    assert sound.evaluate("async it => { it.muted = true; await it.play(); return true }")
    assert advances(sound)
    expect(thunder).to_contain_text("text to audio")


def test_a_video_and_its_sound_are_one_card(page: Page) -> None:
    clip = card(page, "rain on a clip")
    clip.get_by_role("button", name="Play rain on a clip, video").click()
    assert advances(clip.locator("video"))
    expect(clip.get_by_role("list", name="Outputs")).to_contain_text("Sound · 0:02")
    expect(clip.locator("audio")).to_have_count(1)


def test_several_outputs_say_what_they_are(page: Page) -> None:
    shirt = card(page, "a shirt")
    expect(shirt.get_by_role("list", name="Outputs")).to_contain_text(
        "Product video, product image, 3 model images"
    )
    expect(shirt.get_by_role("list", name="4 images").get_by_role("img")).to_have_count(4)
    expect(shirt.locator("video")).to_have_count(1)


def test_subtitles_are_downloads(page: Page) -> None:
    series = card(page, "a series")
    links = series.get_by_role("link", name="Download a series, subtitles")
    expect(links).to_have_count(2)
    with page.expect_download() as download:
        links.first.click()
    assert Path(download.value.suggested_filename).suffix == ".srt"


def test_voices_elements_and_sessions_tell_their_ids(page: Page) -> None:
    voice = card(page, "a keeper")
    expect(voice.locator("audio")).to_have_count(1)
    expect(voice).to_contain_text("930801338081615883")
    expect(card(page, "two faces")).to_contain_text("s-83012")
    expect(card(page, "two faces")).to_contain_text("faces")
    expect(card(page, "an element")).to_contain_text("321922438904313")
    card(page, "an element").get_by_role("button", name="More of").click()
    expect(page.get_by_role("menuitem", name="Copy element id")).to_be_visible()


def test_the_type_is_a_filter(page: Page) -> None:
    page.get_by_role("combobox", name="All types").select_option("custom_voice")
    expect(page.get_by_role("article")).to_have_count(1)
    expect(card(page, "a keeper")).to_be_visible()
    assert "type=custom_voice" in page.url


def test_the_sum_counts_all_kinds(page: Page) -> None:
    summary = page.get_by_test_id("kling-summary")
    expect(summary).to_have_text(re.compile(r"8 results: 6 saved, 2 at Kling · .*units$"))


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_words_can_be_read_in_both_themes(
    theme: Literal["light", "dark"],
    kinds: str,
    stack: AirflowStack,
    browser: Browser,
    session: Callable[[str], StorageState],
) -> None:
    """As on a bright and on a dark ground: text is far from its ground in lightness."""
    visited = Visit(new_page(browser, theme=theme, height=1200, session=session("ann")), stack.address)
    page = visited.gallery("?dag_id=ann_kinds")
    assert is_drawn(card(page, "nine boats").get_by_role("img").first)
    facts = card(page, "two faces").locator("dd").first
    ink, ground = (page.evaluate(_LIGHTNESS, [facts.element_handle(), what]) for what in ("color", "ground"))
    assert abs(ink - ground) > 0.35
    assert (ground > 0.5) == (theme == "light")
    page.context.close()
    assert visited.complaints == []


#: From 0 (black) to 1 (white): of the text of an element, or of what it stands on.
_LIGHTNESS = """([element, what]) => {
  const canvas = document.createElement("canvas").getContext("2d");
  const paint = (colour) => {
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return canvas.getImageData(0, 0, 1, 1).data;
  };
  const isClear = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    return paint(colour)[3] === 0;
  };
  let ground = element;
  while (ground.parentElement && isClear(getComputedStyle(ground).backgroundColor)) ground = ground.parentElement;
  paint("white");
  const style = getComputedStyle(what === "color" ? element : ground);
  const [red, green, blue] = paint(what === "color" ? style.color : style.backgroundColor);
  return (0.2126 * red + 0.7152 * green + 0.0722 * blue) / 255;
}"""

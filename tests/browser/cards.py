# SPDX-License-Identifier: Apache-2.0
"""Short ways to a card and its video."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Visit

Visits = Callable[[str], Visit]
# Two cores carry the browser and a whole Airflow.
expect.set_options(timeout=20_000)


def card(page: Page, name: str) -> Locator:
    return page.get_by_role("article", name=name).first


def advances(video: Locator) -> bool:
    """Wait until a video plays, whoever started it."""
    video.page.wait_for_function("video => video.currentTime > 0.3", arg=video.element_handle())
    return True


def play(one: Locator) -> bool:
    """Press the button of a card, and wait until its video plays."""
    one.get_by_role("button", name="Play").click()
    return advances(one.locator("video"))

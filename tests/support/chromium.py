# SPDX-License-Identifier: Apache-2.0
"""A Chromium without a window, as the screenshots and the browser tests drive it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, StorageState

_NAMES = ("chromium", "chromium-browser", "google-chrome")
# It talks to loopback alone, in a container where there may be no sandbox for it.
_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def executable() -> str | None:
    """The installed Chromium: ``CHROMIUM``, or by its usual names."""
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, _NAMES)), None)


@contextmanager
def chromium() -> Iterator[Browser]:
    """A running browser with a profile of its own, gone after the block."""
    from playwright.sync_api import sync_playwright

    path = executable()
    if path is None:
        raise FileNotFoundError(
            "There is no Chromium here: install it (Debian: apt install chromium), or set CHROMIUM."
        )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=_ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


def new_page(
    browser: Browser,
    *,
    theme: Literal["light", "dark"] = "light",
    width: int = 1400,
    height: int = 900,
    session: StorageState | None = None,
) -> Page:
    """A page with a session of its own, where Airflow shows that theme.

    :param session: of somebody who has signed in before (``page.context.storage_state()``).
    """
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme=theme,
        timezone_id="UTC",
        locale="en-GB",
        storage_state=session,
    )
    context.add_init_script(f"localStorage.setItem('theme', '{theme}')")
    context.set_default_timeout(60_000)
    return context.new_page()

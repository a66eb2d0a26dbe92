# SPDX-License-Identifier: Apache-2.0
"""``make screenshots``: the screenshots of docs/monitoring.md, taken from a real run on the sandbox."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from demo.playground import DAGS, REPOSITORY
from tests.support.chromium import chromium, new_page
from tests.support.sandbox_process import SandboxProcess
from tests.support.stack import AirflowStack
from tests.support.stack.api import connection_body as as_body
from tests.support.stopping import ended_by_signals

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

IMAGES = REPOSITORY / "docs" / "images"
THEMES = ("light", "dark")
#: One render takes as long as it takes to look at it, and three fit into the account at once.
RENDER_SECONDS = 25
CONCURRENCY = 3
_FORBIDDEN = "A famous actor drinks our tea"
#: Make images, sounds and videos of them. Their outputs are the newest cards, so they fill the picture of the gallery.
CHAINS = ("kling_character_shots", "kling_image_video_sound", "kling_talking_avatar")

#: What somebody may get wrong in a connection, and how it looks: screenshot -> fields beside type and id.
MISTAKES: dict[str, dict[str, Any]] = {
    "wrong-key": {"password": "sk-typing-error"},
    "region": {"password": "sk-demo-china"},
    "no-such-host": {"host": "https://api.klingai.invalid", "password": "sk-demo"},
    "not-kling": {"host": "{airflow}", "password": "sk-demo"},
    "half-a-key": {"login": "only-the-access-key"},
}

#: Whether every image and video that can be seen has something to show: its poster, or its first frame.
_DRAWN = """() => {
  const seen = (one) => {
    const box = one.getBoundingClientRect();
    return box.width > 0 && box.bottom > 0 && box.top < innerHeight;
  };
  const fetched = (url) => performance.getEntriesByName(new URL(url, location.href).href).some((one) => one.responseEnd > 0);
  return [...document.images].filter(seen).every((one) => one.complete)
    && [...document.querySelectorAll("video")].filter(seen).every((one) => one.poster ? fetched(one.poster) : one.readyState >= 2);
}"""


@dataclass(frozen=True)
class Studio:
    """Everything that is photographed."""

    sandbox: SandboxProcess
    stack: AirflowStack
    browser: Browser

    @contextmanager
    def page(self, path: str, theme: Any = "light", height: int = 900) -> Iterator[Page]:
        """Open a page of Airflow; nobody has to sign in here."""
        page = new_page(self.browser, theme=theme, height=height)
        page.goto(self.stack.address + path)
        yield page
        page.context.close()

    def take(self, page: Page, name: str, **options: Any) -> None:
        page.wait_for_load_state("networkidle")
        page.wait_for_function(_DRAWN, timeout=60_000)
        # What slides or fades in shall have arrived.
        page.wait_for_timeout(1500)
        page.screenshot(path=IMAGES / f"{name}.png", animations="disabled", **options)
        print(f"  docs/images/{name}.png", flush=True)


def main() -> None:
    IMAGES.mkdir(parents=True, exist_ok=True)
    with studio() as everything:
        shoot(everything)


@contextmanager
def studio() -> Iterator[Studio]:
    """Start a sandbox, Airflow with the example Dags, and a browser."""
    with (
        tempfile.TemporaryDirectory(prefix="kling-screenshots-") as videos,
        SandboxProcess(
            render_seconds=RENDER_SECONDS, time_scale=1, concurrency=CONCURRENCY, units=5000
        ) as sandbox,
        AirflowStack(
            dags_folder=DAGS,
            connections={"kling_default": sandbox.connection},
            environment={
                "AIRFLOW__SCHEDULER__USE_JOB_SCHEDULE": "False",
                "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
                "AIRFLOW__KLING__GALLERY_ROOTS": videos,
                "KLING_VIDEOS": videos,
            },
        ) as stack,
        chromium() as browser,
    ):
        sandbox.call(
            "POST",
            "/_sandbox/faults",
            json=[{"kind": "moderation", "match": {"prompt_contains": _FORBIDDEN}}],
        )
        yield Studio(sandbox, stack, browser)


def shoot(studio: Studio) -> None:
    """Take all screenshots, in the order in which things happen."""
    api = studio.stack.api
    for dag_id in ("kling_prompt_files", "kling_submit_wait_save"):
        api.wait_for_dag(dag_id)
        api.pause(dag_id, False)
    refused = api.trigger("kling_submit_wait_save", {"prompt": _FORBIDDEN, "plan_only": False})
    single = api.trigger("kling_submit_wait_save", {"plan_only": False})
    run_id = api.trigger("kling_prompt_files", {"plan_only": False})
    waiting(studio)
    api.wait_run("kling_prompt_files", run_id, timeout=600)
    api.wait_run("kling_submit_wait_save", single, timeout=300)
    api.wait_run("kling_submit_wait_save", refused, timeout=300)
    chains(studio)
    gallery(studio)
    run_and_task(studio, run_id)
    connection_form(studio)
    connection_tests(studio)


def waiting(studio: Studio) -> None:
    """Both kinds of waiting, as soon as they are there."""
    with ExitStack() as opened:
        pages = {theme: opened.enter_context(studio.page("/plugin/kling-videos", theme)) for theme in THEMES}
        for theme, page in pages.items():
            # The first videos are done, others render, others wait.
            for state in ("rendering", "waiting_for_concurrency", "done"):
                page.locator(f"article[data-state={state}]").first.wait_for(timeout=180_000)
            studio.take(page, f"gallery-waiting-{theme}")


def chains(studio: Studio) -> None:
    """Make images, sounds and videos of them; of the character only its images, as five more videos would hide the sound."""
    api = studio.stack.api
    runs = {}
    for dag_id in CHAINS:
        api.wait_for_dag(dag_id)
        api.pause(dag_id, False)
        runs[dag_id] = api.trigger(dag_id, {"plan_only": False})
    character = ("kling_character_shots", runs["kling_character_shots"])
    api.wait_task(*character, "portrait", ("queued", "running", "deferred", "success"))
    api.set_state(*character, "character", "skipped")
    for dag_id, run_id in runs.items():
        state = api.wait_run(dag_id, run_id, timeout=600)
        assert state == "success", f"{dag_id}: {api.states(dag_id, run_id)}"


def gallery(studio: Studio) -> None:
    for theme in THEMES:
        with studio.page("/plugin/kling-videos", theme) as page:
            page.locator("article[data-state=done]").first.wait_for()
            studio.take(page, f"gallery-{theme}")
    with studio.page("/plugin/kling-videos?state=done") as page:
        one = page.locator("article").first
        one.get_by_role("button", name="More of").click()
        page.get_by_role("menuitem", name="Download").first.wait_for()
        place = one.bounding_box()
        assert place
        around = {"x": place["x"] - 10, "y": place["y"] - 10, "width": place["width"] + 20}
        studio.take(page, "card-menu", clip={**around, "height": place["height"] + 130})


def run_and_task(studio: Studio, run_id: str) -> None:
    """Take the run's tab, and every tab of the task instance that says something of ours."""
    run = f"/dags/kling_prompt_files/runs/{quote(run_id, safe='')}"
    task = f"{run}/tasks/video/mapped/0"
    with studio.page(f"{run}/plugin/kling-run-videos") as page:
        page.locator("article[data-state=done]").first.wait_for()
        studio.take(page, "run-tab")
    with studio.page(f"{task}/asset_events") as page:
        page.get_by_text("kling://").first.wait_for()
        studio.take(page, "asset-events")
    with studio.page(f"{task}/details") as page:
        page.get_by_role("link", name="Kling console").wait_for()
        studio.take(page, "task-details")
    with studio.page(task) as page:
        page.get_by_text("Kling made task").first.wait_for()
        studio.take(page, "task-log")
    with studio.page(f"{task}/rendered_templates") as page:
        page.get_by_text("prompt").first.wait_for()
        studio.take(page, "task-rendered")
    with studio.page(f"{task}/xcom") as page:
        page.get_by_text("return_value").first.wait_for()
        studio.take(page, "task-xcom")
    with studio.page(f"{task}/task-state-store") as page:
        page.get_by_text("kling").first.wait_for()
        studio.take(page, "task-storage")


def connection_form(studio: Studio) -> None:
    for theme in THEMES:
        with studio.page("/connections", theme, height=1500) as page:
            page.get_by_role("button", name="Add Connection").click()
            page.locator("input[name=connection_id]").fill("kling_videos")
            page.get_by_role("combobox").first.click()
            page.keyboard.type("Kling")
            page.get_by_role("option", name="Kling").first.click()
            page.locator("input[name=password]").fill("api-key-kling-of-nobody")
            page.get_by_text("Extra Fields", exact=True).click()
            page.get_by_text("Region").first.wait_for()
            studio.take(page, f"connection-form-{theme}")


def connection_tests(studio: Studio) -> None:
    """Press the button in the list of connections, once for a right one and for each mistake."""
    api = studio.stack.api
    api.call("POST", "/connections", json=as_body("kling_videos", studio.sandbox.connection))
    tests = {"kling_videos": "works"}
    for name, fields in MISTAKES.items():
        body = {"conn_type": "kling", "host": studio.sandbox.address, "extra": {"profile": "kling"}, **fields}
        body["host"] = body["host"].format(airflow=studio.stack.address)
        conn_id = f"kling_{name}".replace("-", "_")
        api.call("POST", "/connections", json=as_body(conn_id, body))
        tests[conn_id] = name
    for conn_id, name in tests.items():
        with studio.page("/connections", height=560) as page:
            row = page.get_by_role("row").filter(has_text=conn_id)
            row.get_by_role("button", name="Test Connection").click()
            page.get_by_text("Test Connection ").last.wait_for()
            studio.take(page, f"connection-test-{name}")


if __name__ == "__main__":
    with ended_by_signals():
        try:
            main()
        except KeyboardInterrupt:
            print("\nStopped.", file=sys.stderr)
            sys.exit(130)

# SPDX-License-Identifier: Apache-2.0
"""A whole Airflow whose users may see different Dags, a sandbox with a concurrency limit of one, and a Chromium.

``make test-browser`` runs this folder. It needs the extra ``browser`` (Playwright, the FAB auth manager) and a Chromium.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.chromium import chromium, executable, new_page
from tests.support.sandbox_process import SandboxProcess
from tests.support.stack import AirflowApi, AirflowStack

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page, StorageState

HERE = Path(__file__).parent
PASSWORD = "only-on-loopback"
_FAB = "airflow.providers.fab.auth_manager"

if executable() is None or find_spec("playwright") is None or find_spec("flask_appbuilder") is None:
    collect_ignore_glob = [
        "test_*.py"
    ]  # make test goes on without it; make test-browser says that nothing ran


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker("browser")
            item.add_marker(pytest.mark.timeout(400))
            item.add_marker(pytest.mark.xdist_group("browser"))


@pytest.fixture(scope="session")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("videos")


@pytest.fixture(scope="session")
def sandbox() -> Iterator[SandboxProcess]:
    """A limit of one, and a render that takes its time: so both kinds of waiting are there to be looked at."""
    with SandboxProcess(
        render_seconds=20, time_scale=1, concurrency=1, units=100_000, short_side=360
    ) as process:
        refuse = {"kind": "moderation", "match": {"prompt_contains": "forbidden"}}
        process.call("POST", "/_sandbox/faults", json=[refuse])
        yield process


@pytest.fixture(scope="session")
def stack(sandbox: SandboxProcess, videos: Path) -> Iterator[AirflowStack]:
    with AirflowStack(
        dags_folder=HERE / "dags",
        connections={"kling_default": sandbox.connection},
        environment={
            "AIRFLOW__CORE__AUTH_MANAGER": f"{_FAB}.fab_auth_manager.FabAuthManager",
            "AIRFLOW__DATABASE__EXTERNAL_DB_MANAGERS": f"{_FAB}.models.db.FABDBManager",
            "AIRFLOW__KLING__GALLERY_ROOTS": str(videos),
            "KLING_VIDEOS": str(videos),
        },
        parallelism=4,
    ) as running:
        subprocess.run(
            [sys.executable, str(HERE / "users.py"), PASSWORD],
            env=running.environment,
            check=True,
            timeout=200,
        )
        yield running


@pytest.fixture(scope="session")
def admin(stack: AirflowStack) -> AirflowApi:
    """Airflow's API as somebody who may do everything."""
    api = AirflowApi(stack.address, ("root", PASSWORD))
    for dag_id in ("ann_clips", "ann_others", "bob_clips", "odd_clips"):
        api.wait_for_dag(dag_id)
    return api


@pytest.fixture(scope="session")
def finished(admin: AirflowApi) -> dict[str, str]:
    """Everybody's first runs, ended; DAG id -> run id."""
    runs = {dag_id: admin.trigger(dag_id) for dag_id in ("bob_clips", "ann_others", "ann_clips", "odd_clips")}
    for dag_id, run_id in runs.items():
        assert admin.wait_run(dag_id, run_id, timeout=240) == (
            "failed" if dag_id in ("ann_others", "odd_clips") else "success"
        )
    return runs


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@dataclass
class Visit:
    """Somebody's open page, and what its console complained about."""

    page: Page
    address: str
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.listen(self.page)
        self.page.on("popup", self.listen)

    def listen(self, page: Page) -> None:
        page.on("console", self.heard)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def heard(self, said: ConsoleMessage) -> None:
        if said.type == "error":
            self.complaints.append(f"{said.text} ({said.location.get('url')})")

    def open(self, path: str) -> Page:
        self.page.goto(self.address + path)
        return self.page

    def gallery(self, query: str = "") -> Page:
        self.open(f"/plugin/kling-videos{query}")
        self.page.get_by_role("search", name="Filter the results").wait_for()
        return self.page


@pytest.fixture(scope="session")
def session(stack: AirflowStack, browser: Browser) -> Callable[[str], StorageState]:
    """``session("ann")`` signs her in by the form, once: FAB allows five visits of its form in 40 seconds."""

    @cache
    def sign_in(user: str) -> StorageState:
        page = new_page(browser)
        page.goto(f"{stack.address}/")
        page.locator("#username").fill(user)
        page.locator("#password").fill(PASSWORD)
        page.locator("input[type=submit], button[type=submit]").first.click()
        page.get_by_role("link", name="Dags").wait_for()
        signed_in = page.context.storage_state()
        page.context.close()
        return signed_in

    return sign_in


@pytest.fixture
def visit(
    stack: AirflowStack, browser: Browser, session: Callable[[str], StorageState]
) -> Iterator[Callable[[str], Visit]]:
    """``visit("ann")`` opens a page for her; at the end nobody's console may have complained."""
    visits: list[Visit] = []

    def start(user: str) -> Visit:
        visited = Visit(new_page(browser, session=session(user)), stack.address)
        visits.append(visited)
        return visited

    yield start
    for visited in visits:
        visited.page.context.close()
        assert visited.complaints == []

# SPDX-License-Identifier: Apache-2.0
"""How long the gallery takes with thousands of videos: its answers, and the first cards in a browser.

``python -m benchmarks.run gallery`` fills a throw-away Airflow on SQLite with 5,000 finished videos, and a hundred that failed
or wait; ``--postgresql --videos 100000`` does with as many on a PostgreSQL server of its own. It asks each route of the
API server several times, opens the page several times in a new Chromium session each, prints milliseconds, and writes them
with machine and versions to ``results/gallery-<database>-<videos>.json``. It needs what ``make test-browser`` needs, and
PostgreSQL what ``tests/stack/test_assets.py`` does. It ends with 1 where a goal is missed.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

import requests  # noqa: E402

from benchmarks import results  # noqa: E402
from tests.support.chromium import chromium, new_page  # noqa: E402
from tests.support.stack import AirflowStack  # noqa: E402
from tests.support.stack.postgres import postgres, why_not  # noqa: E402

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Response

#: Milliseconds, by what is measured. The answers have goals on PostgreSQL, which those who have so many videos run.
GOALS = {"first card": 2000}
GOALS_POSTGRESQL = {**GOALS, "list": 300, "changes": 50}
ROUNDS = 9
VISITS = 7
#: Videos of one run; of each third run the videos are made by three tasks.
RUN = 250


def fill(stack: AirflowStack, videos: int) -> None:
    """Write finished videos of many nightly runs, and a run of today with a hundred that failed or wait."""
    from sqlalchemy import create_engine, text
    from sqlalchemy.orm import Session

    from tests.unit.gallery.seeds import Seeds

    # The latest ones are of now.
    begin = datetime.now(UTC) - timedelta(seconds=videos + 120 * (videos // RUN + 102))
    with Session(create_engine(stack.database.url)) as session:
        seeds = Seeds(session, stack.home, begin=begin)
        seeds.dag("films")
        for number, first in enumerate(range(0, videos, RUN)):
            run_id = f"nightly-{number}"
            seeds.run("films", run_id)
            count = min(RUN, videos - first)
            seeds.thousands("films", run_id, count, prefix=f"{number}-", three_tasks=number % 3 == 2)
            session.commit()
        seeds.run("films", "today", "running")
        for number in range(100):
            failed = number % 2
            seeds.job(
                "films",
                "today",
                map_index=number,
                says="failed" if failed else "processing",
                state="failed" if failed else "deferred",
                kling_task_id=f"job-{number}",
                reason="Kling failed it" if failed else None,
            )
        session.commit()
        if not stack.database.url.startswith("sqlite"):
            session.execute(text("ANALYZE"))  # as autovacuum does after such a load
            session.commit()


class Asking:
    """The routes, as the page asks them."""

    def __init__(self, stack: AirflowStack) -> None:
        self._session = requests.Session()
        self._session.trust_env = False
        self._address = stack.address
        token = self.get("/auth/token").json()["access_token"]
        self._session.headers["Authorization"] = f"Bearer {token}"

    def get(self, path: str, **query: Any) -> requests.Response:
        answer = self._session.get(self._address + path, params=query, timeout=300)
        answer.raise_for_status()
        return answer

    def time(self, path: str, **query: Any) -> dict[str, Any]:
        """Milliseconds of several calls; the first one fills caches and does not count."""
        times = []
        for _ in range(ROUNDS + 1):
            began = time.perf_counter()
            answer = self.get(path, **query)
            times.append((time.perf_counter() - began) * 1000)
        return {"bytes": len(answer.content), **spread(times[1:])}


def spread(times: list[float]) -> dict[str, int]:
    return {
        "median": round(statistics.median(times)),
        "lowest": round(min(times)),
        "highest": round(max(times)),
    }


def ask(stack: AirflowStack) -> dict[str, dict[str, Any]]:
    """Milliseconds of every answer that the page asks for."""
    asking = Asking(stack)
    page = asking.get("/kling/api/videos").json()
    since = {"since": page["since"], "seen": page["now"]}
    second = asking.get("/kling/api/videos", cursor=page["next"]).json()
    return {
        "list": asking.time("/kling/api/videos"),
        "second page": asking.time("/kling/api/videos", cursor=page["next"]),
        "third page": asking.time("/kling/api/videos", cursor=second["next"]),
        "changes": asking.time("/kling/api/changes", **since),
        "sum": asking.time("/kling/api/sums"),
        "sum of a run": asking.time("/kling/api/sums", dag_id="films", run_id="nightly-1"),
        "choices": asking.time("/kling/api/choices"),
        "list of a run": asking.time("/kling/api/videos", dag_id="films", run_id="nightly-1"),
        "list of words": asking.time("/kling/api/videos", text="tram"),
        "list of rare words": asking.time("/kling/api/videos", text="nobody wrote this"),
        "list of failed": asking.time("/kling/api/videos", state="failed"),
        "list of not fetched": asking.time("/kling/api/videos", state="uncollected"),
    }


def visit(browser: Browser, address: str) -> tuple[float, list[int]]:
    """Milliseconds to the first card, and the cards per answer, scrolling twice for more."""
    page = new_page(browser)
    sizes: list[int] = []

    def heard(response: Response) -> None:
        if "/kling/api/videos" in response.url:
            sizes.append(len(response.json()["cards"]))

    page.on("response", heard)
    began = time.perf_counter()
    page.goto(address, wait_until="commit")
    page.locator("article").first.wait_for()
    took = (time.perf_counter() - began) * 1000
    for _ in range(2):
        page.keyboard.press("End")
        page.wait_for_timeout(1500)
    page.context.close()
    return took, sizes


def look(stack: AirflowStack) -> dict[str, Any]:
    """Milliseconds to the first card. The first visit fills the API server's caches; the others come later."""
    with chromium() as browser:
        address = f"{stack.address}/plugin/kling-videos"
        (first, _), *others = [visit(browser, address) for _ in range(VISITS)]
    sizes = sorted({size for _, sizes in others for size in sizes})
    return {
        "first of the server's life": round(first),
        **spread([took for took, _ in others]),
        "cards per answer": sizes,
    }


@contextmanager
def database(on_postgresql: bool) -> Iterator[str | None]:
    """Yield the address of an empty PostgreSQL, or nothing, which is SQLite."""
    if on_postgresql and (why := why_not()):
        sys.exit(why)
    opened: Callable[[], Any] = postgres if on_postgresql else nullcontext
    with opened() as address:
        yield address


def version_of(stack: AirflowStack) -> str:
    if stack.database.url.startswith("sqlite"):
        return f"SQLite {stack.database.rows('SELECT sqlite_version() AS v')[0]['v']}"
    return f"PostgreSQL {stack.database.rows('SHOW server_version')[0]['server_version']}"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--videos", type=int, default=5000, help="finished videos (default: 5000)")
    parser.add_argument("--postgresql", action="store_true", help="on PostgreSQL instead of SQLite")
    wanted = parser.parse_args(arguments)
    document: dict[str, Any] = {"machine": results.describe_machine(), "videos": wanted.videos}
    started = time.monotonic()
    with (
        database(wanted.postgresql) as address,
        AirflowStack(
            dags_folder=REPOSITORY / "tests/browser/dags", components=("api-server",), database_url=address
        ) as stack,
    ):
        document["database"] = version_of(stack)
        fill(stack, wanted.videos)
        document["milliseconds"] = {**ask(stack), "first card": look(stack)}
    document["seconds"] = round(time.monotonic() - started)
    goals = GOALS_POSTGRESQL if wanted.postgresql else GOALS
    for name, figures in document["milliseconds"].items():
        if name in goals:
            figures["goal"] = goals[name]
    print(f"{wanted.videos} videos, {document['database']}, milliseconds (median, lowest to highest):")
    for name, figures in document["milliseconds"].items():
        goal = f"  goal {goals[name]}" if name in goals else ""
        print(f"  {name:22}{figures['median']:6}  {figures['lowest']} to {figures['highest']}{goal}")
    kind = "postgresql" if wanted.postgresql else "sqlite"
    results.write(f"gallery-{kind}-{wanted.videos}", document)
    missed = [name for name, goal in goals.items() if document["milliseconds"][name]["median"] > goal]
    if missed:
        print(f"Goal missed: {', '.join(missed)}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())

# SPDX-License-Identifier: Apache-2.0
"""How long until the first cards of a gallery with thousands of videos stand in a browser.

``python benchmarks/gallery.py [videos]`` fills a throw-away Airflow with that many finished videos (5,000), and a
hundred that failed or wait; opens the page several times in a new Chromium session each; prints milliseconds from
the address to the first card, and how many cards each answer had; and writes ``results/gallery.json``. It needs what
``make test-browser`` needs.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

from demo.chromium import chromium, new_page  # noqa: E402
from demo.stack import AirflowStack  # noqa: E402

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Response

RESULTS = Path(__file__).parent / "results" / "gallery.json"
#: Milliseconds to the first cards.
GOAL = 2000
VISITS = 7


def fill(stack: AirflowStack, videos: int) -> None:
    from sqlalchemy import create_engine
    from sqlalchemy.orm import Session

    from tests.unit.gallery.seeds import Seeds

    with Session(create_engine(stack.database.url)) as session:
        seeds = Seeds(session, stack.home)
        seeds.dag("films")
        seeds.run("films", "nightly")
        seeds.thousands("films", "nightly", videos - 1)
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


def main() -> int:
    videos = int(sys.argv[1]) if len(sys.argv) > 1 else 5000
    with (
        AirflowStack(dags_folder=REPOSITORY / "tests/browser/dags", components=("api-server",)) as stack,
        chromium() as browser,
    ):
        fill(stack, videos)
        address = f"{stack.address}/plugin/kling-videos"
        # The first one fills the API server's caches; the others are what somebody meets who comes later.
        (first, _), *others = [visit(browser, address) for _ in range(VISITS)]
    times = [took for took, _ in others]
    sizes = sorted({size for _, sizes in others for size in sizes})
    figures: dict[str, Any] = {
        "videos": videos,
        "first visit of the server's life": round(first),
        "median": round(statistics.median(times)),
        "lowest": round(min(times)),
        "highest": round(max(times)),
        "cards per answer": sizes,
        "goal": GOAL,
    }
    print("Milliseconds to the first card:")
    for name, value in figures.items():
        print(f"  {name:34}{value}")
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    document = {
        "airflow": version("apache-airflow"),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        **figures,
    }
    RESULTS.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return 0 if figures["median"] <= GOAL else 1


if __name__ == "__main__":
    sys.exit(main())

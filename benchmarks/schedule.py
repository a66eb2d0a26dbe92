# SPDX-License-Identifier: Apache-2.0
"""What ``make bench`` runs, in its order. The page has a section for each."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Step:
    """One run of an experiment.

    :param file: its result, without ``.json``.
    :param experiment: its name on the command line.
    :param options: what follows there.
    """

    title: str
    file: str
    experiment: str
    options: str = ""

    @property
    def command(self) -> str:
        """Return what runs it."""
        return f"python -m benchmarks.run {self.experiment} {self.options}".strip()


@dataclass(frozen=True)
class Script:
    """One benchmark of a part, without an Airflow of its own; it writes its result itself.

    :param file: its result, without ``.json``.
    :param module: what runs it.
    :param options: what follows there.
    """

    title: str
    file: str
    module: str
    options: str = ""


#: Where all shapes would take many hours: what was best in some figure with 20 videos is among them.
_FIVE = "--shapes ours,ours-callbacks,trigger-per-task,http-reschedule,submit-and-sleep,floor"

SCHEDULE = (
    Step("One video", "requests-1", "requests", "--videos 1"),
    Step("20 videos", "requests-20", "requests", "--videos 20"),
    Step("20 videos of very different lengths", "requests-spread", "requests", f"--spread {_FIVE}"),
    Step("200 videos", "requests-200", "requests", f"--videos 200 {_FIVE}"),
    Step("150 short videos", "throughput", "throughput"),
    Step("The account's limit: 5", "limit-5", "limit", "--limit 5"),
    Step("The account's limit: 20", "limit-20", "limit", "--limit 20"),
    Step(
        "The account's limit: 5, with slow workers",
        "limit-5-start-20",
        "limit",
        "--limit 5 --worker-start 20",
    ),
    Step(
        "The account's limit: 20, with slow workers",
        "limit-20-start-20",
        "limit",
        "--limit 20 --worker-start 20",
    ),
    Step(
        "The account's limit: 5, very different lengths",
        "limit-5-spread-start-20",
        "limit",
        "--limit 5 --spread --worker-start 20",
    ),
    Step("Downloads", "downloads", "downloads"),
    Step("Import and parse", "import_cost", "imports"),
    Step("Gallery, 5,000 on SQLite", "gallery-sqlite-5000", "gallery"),
    Step("Gallery, 5,000 on PostgreSQL", "gallery-postgresql-5000", "gallery", "--postgresql --videos 5000"),
    Step(
        "Gallery, 100,000 on PostgreSQL",
        "gallery-postgresql-100000",
        "gallery",
        "--postgresql --videos 100000",
    ),
)

SCRIPTS = (
    Script("When to look", "looks", "benchmarks.looks", "--write"),
    Script("10,000 waiting", "waiting", "benchmarks.waiting", "--write"),
    Script("10,000 in the queue", "queue", "benchmarks.queue_scale"),
    Script("The queue alone", "account_limit", "benchmarks.account_limit"),
    Script(
        "A flood of callbacks",
        "callback_flood",
        "benchmarks.callback_flood",
        "--write",
    ),
)

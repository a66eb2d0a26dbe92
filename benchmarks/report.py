# SPDX-License-Identifier: Apache-2.0
"""``docs/performance.md`` and its pictures, from the JSON in ``benchmarks/results``: ``python -m benchmarks.run page`` writes them."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmarks import results
from benchmarks.goals import find_row, list_verdicts
from benchmarks.plots import Bar, Panel, draw
from benchmarks.schedule import SCHEDULE, SCRIPTS
from benchmarks.shapes import SHAPES
from benchmarks.tables import show, span, table

PAGE = results.REPOSITORY / "docs" / "performance.md"
IMAGES = results.REPOSITORY / "docs" / "images"
#: Ours first, the floor last.
_ORDER = sorted(SHAPES.values(), key=lambda shape: ("ours", "alternative", "floor").index(shape.kind))
#: Written beside this bench; the page takes what is there.
_OTHERS = {script.file: script.title for script in SCRIPTS}
#: Figure -> head of its column, unit in the head.
_FLEET = {
    "requests_per_video": "requests",
    "notice_mean": "notice, s",
    "notice_p95": "p95, s",
    "worker_per_video": "worker s",
    "cpu_per_video": "CPU s",
    "cpu_worker_per_video": "worker",
    "cpu_triggerer_per_video": "triggerer",
    "cpu_scheduler_per_video": "scheduler",
    "cpu_api_server_per_video": "API server",
    "wall": "wall, s",
    "failed": "failed",
}
_LIMIT = {
    "empty_mean": "place empty, s",
    "empty_p95": "p95, s",
    "creates_per_video": "creates",
    "refused_per_video": "refused",
    "requests_per_video": "requests",
    "worker_per_video": "worker s",
    "wall": "wall, s",
    "failed": "failed",
}
_THROUGHPUT = {
    name: _FLEET[name]
    for name in ("wall", "worker_per_video", "cpu_per_video", "requests_per_video", "failed")
}
_PANELS = {
    "requests": {
        "requests_per_video": "Requests per video",
        "notice_mean": "Notice, mean, seconds",
        "worker_per_video": "Worker seconds per video",
        "cpu_per_video": "CPU seconds per video",
    },
    "throughput": {"wall": "Wall time, seconds", "cpu_per_video": "CPU seconds per video"},
    "limit": {
        "empty_mean": "A place of the account stands empty, mean, seconds",
        "creates_per_video": "Creates per video",
        "worker_per_video": "Worker seconds per video",
    },
}
_INTRO = """\
# Performance

<!-- Written by `python -m benchmarks.run page` from benchmarks/results; a test compares. -->

`make bench` lets the provider and what people use today make the same videos, in one run, on a real Airflow (PostgreSQL, LocalExecutor
with 32 slots, Airflow's default) against the same sandbox, which answers as slowly as Kling: reads after 150 ms, creates after 600 ms.
Nothing on this page is written by hand. Each figure is the median of the rounds, with the lowest and the highest in brackets where there is
more than one. What was not run says so.

| | what runs | its Dag |
|---|---|---|
{shapes}
Sensors and triggers look every 10 s, the Python task every 3 s as the example that it follows; ours has its defaults. No task has retries, so
each failure counts. An `HttpSensor` with a `response_check` does not defer (providers-http 6.3), so its two rows should be alike.

* **requests**: all calls of Kling's API per video; a create and one read for a fresh link are 2. Downloads of files are not counted.
* **notice**: from Kling's end until the task instance leaves `deferred`; where nothing is deferred, until the answer is there that tells it.
  The start of a worker after it is not counted.
* **worker s**: seconds in which task instances of a video are `running`, so that they hold a worker's slot.
* **CPU s**: of worker, triggerer, scheduler and API servers, per video, with what Airflow takes when idle.
* **cold**: the triggerer has just started; **warm**: the same shape ran in it before.
"""


def build_page(documents: Mapping[str, dict[str, Any]]) -> str:
    """Return the page.

    :param documents: the results that are there, by name.
    """
    shapes = "".join(
        f"| {shape.kind} | {shape.label} | [`{shape.dag_id}.py`](../benchmarks/dags/{shape.dag_id}.py) |\n"
        for shape in _ORDER
    )
    parts = [_INTRO.format(shapes=shapes), *_write_goals(documents)]
    for step in SCHEDULE:
        document = documents.get(step.file)
        parts.append(f"## {step.title}\n")
        if document is None:
            parts.append(f"Not run: `{step.command}`.\n")
            continue
        parts.append(_describe_run(document))
        parts += _WRITERS[step.experiment](step.file, document)
    for name, title in _OTHERS.items():
        if name in documents:
            parts += [f"## {title}\n", _describe_run(documents[name]), *_write_plain(documents[name])]
    parts += _write_times(documents)
    return "\n".join(parts)


def build_pictures(documents: Mapping[str, dict[str, Any]]) -> dict[str, str]:
    """Return the SVG of every result that has one, by file name."""
    return {
        f"performance-{name}.svg": draw(list(_list_panels(document)))
        for name, document in documents.items()
        if document.get("experiment") in _PANELS
    }


def load_documents() -> dict[str, dict[str, Any]]:
    """Return the results that the page knows."""
    names = [*(step.file for step in SCHEDULE), *_OTHERS]
    found = {name: results.load(name) for name in names}
    return {name: document for name, document in found.items() if document is not None}


def _write_goals(documents: Mapping[str, dict[str, Any]]) -> Iterator[str]:
    yield "## The goals\n"
    yield "A verdict wants three rounds on a machine where nothing else runs; where it had less, it says so.\n"
    rows = []
    for one in list_verdicts(documents):
        word = {None: "not run", True: "met", False: "**missed**"}[one.met]
        if one.met is not None and one.because:
            word += f" ({one.because})"
        rows.append((one.text, one.limit, one.measured, word, f"`{one.file}`"))
    yield table(("goal", "limit", "measured", "verdict", "result"), rows, right=0)


def _describe_run(document: Mapping[str, Any]) -> str:
    """Return the sentence about machine, versions and load; results of older scripts have a part of it."""
    machine = document.get("machine")
    machine = {**document, **(machine if isinstance(machine, Mapping) else {})}
    versions = machine.get("versions") or {"apache-airflow": machine.get("airflow")}
    airflow = versions.get("apache-airflow") or versions.get("apache-airflow-core")
    words = [
        f"Airflow {airflow}" if airflow else "",
        f"Python {machine.get('python')}",
        f"{machine['cores']} cores" if "cores" in machine else "",
        f"{machine['memory_gb']:g} GB" if "memory_gb" in machine else "",
        str(machine.get("processor", "")),
        f"commit {machine['commit']}" if "commit" in machine else "",
        machine.get("at", "")[:10],
    ]
    text = ", ".join(word for word in words if word)
    if rounds := [len(row["rounds"]) for row in document.get("rows", ())]:
        text += f"; {span(min(rounds), max(rounds))} round{'s' if max(rounds) > 1 else ''}"
    before = machine.get("load_before") or machine.get("load before") or machine.get("load")
    if before is not None:
        before = before[0] if isinstance(before, list) else before
        during = [
            one["load_after"]
            for row in document.get("rows", ())
            for one in row.get("rounds", ())
            if "load_after" in one
        ]
        text += f"; load {before:g} before" + (f", up to {max(during):g} during" if during else "")
    if "busy_before" in machine:
        text += f"; others took {machine['busy_before']:g} % of the CPU before"
    if machine.get("shared"):
        text += ". **The machine was shared: compare shapes, not decimals**"
    if document.get("note"):
        text += f". {document['note']}"
    return text.rstrip(".") + ".\n"


def _write_fleet(name: str, document: Mapping[str, Any]) -> Iterator[str]:
    low, high = document["settings"]["seconds"]
    count = document["settings"]["videos"]
    yield f"{count} video{'s' if count > 1 else ''} at once, Kling takes {span(low, high)} s.\n"
    yield _show_picture(name)
    yield table(("", "start", *_FLEET.values()), list(_list_rows(document, _FLEET)), right=2)
    yield f"{SHAPES['ours'].label}, divided by the others of the same round and start; below 1 is less. The best is that of each figure.\n"
    figures = [name for name in _FLEET if name in results.COMPARED]
    rows = [
        (
            SHAPES[one["other"]].label if one["other"] else "**the best alternative**",
            one["start"],
            *(show(one["ratio"][key]) for key in figures),
        )
        for one in document["ratios"]
        if one["ours"] == "ours"
    ]
    yield table(("", "start", *(_FLEET[key] for key in figures)), rows, right=2)
    idle = document.get("idle_cpu")
    if idle:
        told = ", ".join(f"{part.replace('_', ' ')} {seconds:.3f}" for part, seconds in idle.items())
        yield f"CPU seconds per second of this Airflow with nothing to do: {told}.\n"


def _write_limit(name: str, document: Mapping[str, Any]) -> Iterator[str]:
    settings = document["settings"]
    low, high = settings["seconds"]
    late = f"; each worker starts {settings['worker_start']:g} s late" if settings["worker_start"] else ""
    yield f"{settings['videos']} videos, {settings['limit']} at once, Kling takes {span(low, high)} s{late}.\n"
    yield _show_picture(name)
    yield table(("", "start", *_LIMIT.values()), list(_list_rows(document, _LIMIT)), right=2)


def _write_throughput(name: str, document: Mapping[str, Any]) -> Iterator[str]:
    settings = document["settings"]
    yield f"{settings['videos']} mapped prompts, Kling takes {span(*settings['seconds'])} s.\n"
    yield _show_picture(name)
    yield table(("", "start", *_THROUGHPUT.values()), list(_list_rows(document, _THROUGHPUT)), right=2)


def _write_downloads(name: str, document: Mapping[str, Any]) -> Iterator[str]:
    heads = {
        "curl_mb_s": "curl, MB/s",
        "ours_mb_s": "ours, MB/s",
        "of_curl": "ours : curl",
        "memory_mb": "extra memory, MB",
    }
    yield f"One file of {document['settings']['megabytes']:g} MB.\n"
    rows = [(row["store"], *(show(row["spread"][key]) for key in heads)) for row in document["rows"]]
    yield table(("to", *heads.values()), rows, right=1)


def _write_imports(name: str, document: Mapping[str, Any]) -> Iterator[str]:
    yield "CPU milliseconds on top of `airflow.sdk`, which every start of a worker pays.\n"
    rows = [
        (f"`{statement}`", f"{row['median_ms']:g}", f"{row['min_ms']:g} to {row['max_ms']:g}")
        for statement, row in document["imports"].items()
    ]
    yield table(("", "median", "lowest to highest"), rows, right=1)


def _write_gallery(name: str, document: Mapping[str, Any]) -> Iterator[str]:
    yield f"{document['videos']:,} videos, milliseconds.\n"
    rows = []
    for what, figures in document["milliseconds"].items():
        goal = str(figures.get("goal", ""))
        rows.append((what, str(figures["median"]), f"{figures['lowest']} to {figures['highest']}", goal))
    yield table(("", "median", "lowest to highest", "goal"), rows, right=1)


def _write_plain(document: Mapping[str, Any]) -> Iterator[str]:
    """Write the numbers of a result that is not this bench's, each under its name; of a list, under its place there."""

    def walk(value: object, path: str) -> Iterator[tuple[str, str]]:
        if isinstance(value, Mapping):
            for key, inner in value.items():
                if not path and key in ("machine", "note", "settings", "goals"):
                    continue
                yield from walk(inner, f"{path} {key}".strip())
        elif isinstance(value, list):
            for number, inner in enumerate(value, start=1):
                yield from walk(inner, f"{path} {number}")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield path.replace("_", " "), f"{value:g}"

    yield table(("", "measured"), list(walk(document, "")), right=1)


def _write_times(documents: Mapping[str, dict[str, Any]]) -> Iterator[str]:
    yield "## How long `make bench` takes\n"
    rows, total, missing = [], 0.0, 0
    for step in SCHEDULE:
        seconds = documents.get(step.file, {}).get("seconds")
        rows.append((f"`{step.command}`", f"{seconds / 60:.1f} min" if seconds is not None else "not known"))
        total += seconds or 0
        missing += seconds is None
    yield "Measured in the runs of this page; each command runs alone as well.\n"
    left = f", and {missing} steps whose time is not known" if missing else ""
    yield table(("experiment", "took"), rows, right=1)
    yield f"Together {total / 60:.0f} min{left}.\n"


def _list_rows(document: Mapping[str, Any], figures: Mapping[str, str]) -> Iterator[tuple[str, ...]]:
    for shape in _ORDER:
        for start in ("cold", "warm"):
            if row := find_row(document, shape.name, start):
                told = start if shape.is_deferred else ""
                yield shape.label, told, *(show(row["spread"].get(key)) for key in figures)


def _list_panels(document: Mapping[str, Any]) -> Iterator[Panel]:
    for figure, title in _PANELS[document["experiment"]].items():
        bars = []
        for shape in _ORDER:
            row = find_row(document, shape.name) or find_row(document, shape.name, "cold")
            found = row["spread"].get(figure) if row else None
            if found and found["median"] is not None:
                bars.append(Bar(shape.name, shape.kind, found["median"], found["lowest"], found["highest"]))
        yield Panel(title, bars)


def _show_picture(name: str) -> str:
    return f"![Bars of the table below](images/performance-{name}.svg)\n"


_WRITERS = {
    "requests": _write_fleet,
    "limit": _write_limit,
    "throughput": _write_throughput,
    "downloads": _write_downloads,
    "imports": _write_imports,
    "gallery": _write_gallery,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Write page and pictures; remove pictures that no result has any more."""
    documents = load_documents()
    pictures = build_pictures(documents)
    for old in IMAGES.glob("performance-*.svg"):
        if old.name not in pictures:
            old.unlink()
    for name, picture in pictures.items():
        (IMAGES / name).write_text(picture, encoding="utf-8")
    PAGE.write_text(build_page(documents), encoding="utf-8")
    print(shlex.quote(str(PAGE)))
    return 0


if __name__ == "__main__":
    sys.exit(main())

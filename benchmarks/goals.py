# SPDX-License-Identifier: Apache-2.0
"""What the provider wants to reach, and whether the results show it. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.shapes import SHAPES

Documents = Mapping[str, dict[str, Any]]
#: Rounds that a verdict wants.
_ROUNDS = 3


@dataclass(frozen=True)
class Verdict:
    """One goal, and what was measured.

    :param text: what is measured.
    :param limit: what is wanted of it.
    :param file: the result that decides, without ``.json``.
    :param measured: as text; empty where it was not run.
    :param met: whether it was reached; None where it was not run.
    :param because: why the verdict is weak: a shared machine, too few rounds.
    """

    text: str
    limit: str
    file: str
    measured: str = ""
    met: bool | None = None
    because: str = ""


def find_row(document: Mapping[str, Any], shape: str, start: str = "warm") -> dict[str, Any] | None:
    """Return the row of a shape."""
    return next((row for row in document["rows"] if (row["shape"], row["start"]) == (shape, start)), None)


def find_median(document: Mapping[str, Any], shape: str, figure: str) -> float | None:
    """Return the median of a figure over the warm rounds of a shape."""
    row = find_row(document, shape)
    found: float | None = row["spread"].get(figure, {}).get("median") if row else None
    return found


def find_ratio(document: Mapping[str, Any], ours: str, other: str, figure: str) -> float | None:
    """Return the median of ours : other, each round by itself, warm."""
    for one in document["ratios"]:
        if (one["ours"], one["other"], one["start"]) == (ours, other, "warm"):
            found: float | None = one["ratio"][figure]["median"]
            return found
    return None


def find_best_alternative(document: Mapping[str, Any], figure: str) -> str | None:
    """Return the name of the alternative with the lowest median of a figure, among those that delivered every video."""
    found = {
        row["shape"]: row["spread"][figure]["median"]
        for row in document["rows"]
        if SHAPES[row["shape"]].kind == "alternative"
        and row["start"] == "warm"
        and row["spread"]["delivered"]["lowest"] == row["spread"]["videos"]["median"]
        and row["spread"][figure]["median"] is not None
    }
    return min(found, key=lambda name: found[name]) if found else None


def list_verdicts(documents: Documents) -> list[Verdict]:
    """Return every goal of the page, in its order.

    :param documents: the results that are there, by name.
    """
    return [
        *_judge_requests(documents),
        *_judge_limit(documents),
        *_judge_throughput(documents),
        *_judge_downloads(documents),
        *_judge_others(documents),
    ]


def _judge_requests(documents: Documents) -> Iterator[Verdict]:
    for videos, limit in ((1, 4.0), (20, 2.5), (200, 2.2)):
        yield _at_most(
            documents, f"requests-{videos}", f"requests per video, N = {videos}", "requests_per_video", limit
        )
    for videos in (1, 20, 200):
        yield _at_most(
            documents, f"requests-{videos}", f"mean notice, N = {videos}", "notice_mean", 2, unit=" s"
        )
        yield _at_most(
            documents, f"requests-{videos}", f"p95 of notice, N = {videos}", "notice_p95", 4, unit=" s"
        )
    yield _decide(
        documents,
        "requests-20",
        ("requests : those of the best alternative, at better notice, N = 20", "≤ 0.33"),
        _beat_best_alternative,
    )
    for videos in (20, 200):
        name = f"requests-{videos}"
        what = f"worker seconds per video, N = {videos}"
        yield _at_most(documents, name, what, "worker_per_video", 1.2, unit=" s")
        yield _ratio_at_most(
            documents,
            name,
            f"CPU per video : that of one trigger per task, N = {videos}",
            ("ours", "trigger-per-task", "cpu_per_video"),
            1.0,
        )

    for videos in (1, 20, 200):
        name = f"requests-{videos}"
        what = f"requests per video by callback, N = {videos}"
        yield _at_most(documents, name, what, "requests_per_video", 2.1, shape="ours-callbacks")
        what = f"mean notice by callback, N = {videos}"
        yield _at_most(documents, name, what, "notice_mean", 1, unit=" s", shape="ours-callbacks")
    for videos in (1, 20, 200):
        what = f"“async thread was blocked” while ours ran, N = {videos}"
        yield _none(documents, f"requests-{videos}", what, "triggerer_blocked")


def _judge_limit(documents: Documents) -> Iterator[Verdict]:
    for limit, suffix, seconds in (
        (5, "", 1.5),
        (20, "", 1.5),
        (5, "-start-20", 4.0),
        (20, "-start-20", 4.0),
    ):
        name = f"limit-{limit}{suffix}"
        late = ", workers start in 20 s" if suffix else ""
        what = f"a place of the account stands empty, limit {limit}{late}"
        yield _at_most(documents, name, what, "empty_mean", seconds, unit=" s")
        if not suffix:
            yield _at_most(documents, name, f"creates per video, limit {limit}", "creates_per_video", 2.2)


def _judge_throughput(documents: Documents) -> Iterator[Verdict]:
    pairs = (
        ("ours-pair", 0.85, "the two-task pair"),
        ("trigger-per-task", 1.05, "one operator with a trigger per task"),
    )
    for other, limit, words in pairs:
        what = f"150 prompts: wall time : that of {words}"
        yield _ratio_at_most(documents, "throughput", what, ("ours", other, "wall"), limit)

    yield _none(documents, "throughput", "150 prompts: failed in five runs", "failed", rounds=5)


def _judge_downloads(documents: Documents) -> Iterator[Verdict]:
    for store in ("disk", "S3"):

        def decide(
            document: Mapping[str, Any], figure: str, *, lowest: bool, limit: float, store: str = store
        ) -> Any:
            row = next((one for one in document["rows"] if one["store"] == store), None)
            if row is None:
                return None
            value = row["spread"][figure]["median"]
            return f"{value:g}", value >= limit if lowest else value <= limit

        yield _decide(
            documents,
            "downloads",
            (f"throughput : curl's, {store}", "≥ 0.9"),
            lambda document, decide=decide: decide(document, "of_curl", lowest=True, limit=0.9),
        )
        yield _decide(
            documents,
            "downloads",
            (f"extra memory, {store}", "≤ 30 MB"),
            lambda document, decide=decide: decide(document, "memory_mb", lowest=False, limit=30),
        )


def _judge_others(documents: Documents) -> Iterator[Verdict]:
    """Yield the goals that a result states itself: ``goals``, a list of text, measured, met."""
    for name, document in documents.items():
        for goal in document.get("goals", ()) if isinstance(document.get("goals"), list) else ():
            yield Verdict(
                goal["text"],
                str(goal.get("limit", "")),
                name,
                str(goal["measured"]),
                goal["met"],
                _find_weakness(document),
            )


def _at_most(
    documents: Documents,
    name: str,
    what: str,
    figure: str,
    limit: float,
    *,
    unit: str = "",
    shape: str = "ours",
) -> Verdict:
    def decide(document: Mapping[str, Any]) -> tuple[str, bool] | None:
        value = find_median(document, shape, figure)
        return None if value is None else (f"{value:.2f}{unit}", value <= limit)

    return _decide(documents, name, (what, f"≤ {limit:g}{unit}"), decide)


def _none(documents: Documents, name: str, what: str, figure: str, *, rounds: int = 1) -> Verdict:
    """Judge a count of ours that must be 0 in every round.

    :param rounds: fewer do not show it.
    """

    def decide(document: Mapping[str, Any]) -> tuple[str, bool] | None:
        row = find_row(document, "ours")
        if row is None or figure not in row["rounds"][0]:
            return None
        count, played = sum(one[figure] for one in row["rounds"]), len(row["rounds"])
        return f"{count} in {played}", count == 0 and played >= rounds

    return _decide(documents, name, (what, "0"), decide)


def _ratio_at_most(
    documents: Documents, name: str, what: str, pair: tuple[str, str, str], limit: float
) -> Verdict:
    def decide(document: Mapping[str, Any]) -> tuple[str, bool] | None:
        value = find_ratio(document, *pair)
        return None if value is None else (f"{value:.2f}", value <= limit)

    return _decide(documents, name, (what, f"≤ {limit:g}"), decide)


def _beat_best_alternative(document: Mapping[str, Any]) -> tuple[str, bool] | None:
    best = find_best_alternative(document, "requests_per_video")
    if best is None:
        return None
    ratio = find_ratio(document, "ours", best, "requests_per_video")
    notice = find_ratio(document, "ours", best, "notice_mean")
    if ratio is None or notice is None:
        return None
    text = f"{ratio:.2f}, and {notice:.2f} of the notice, of: {SHAPES[best].label}"
    return text, ratio <= 1 / 3 and notice < 1


def _decide(
    documents: Documents,
    name: str,
    text: tuple[str, str],
    decide: Callable[[Mapping[str, Any]], tuple[str, bool] | None],
) -> Verdict:
    document = documents.get(name)
    found = decide(document) if document else None
    if document is None or found is None:
        return Verdict(*text, name)
    return Verdict(*text, name, found[0], found[1], _find_weakness(document))


def _find_weakness(document: Mapping[str, Any]) -> str:
    rounds = min((len(row["rounds"]) for row in document.get("rows", ())), default=_ROUNDS)
    reasons = [f"{rounds} round{'s' if rounds > 1 else ''}"] if rounds < _ROUNDS else []
    if document.get("machine", {}).get("shared"):
        reasons.append("shared machine")
    return ", ".join(reasons)

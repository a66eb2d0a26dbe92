# SPDX-License-Identifier: Apache-2.0
"""What is counted, through Airflow's own metrics, by operators against the sandbox; and the dashboard that shows it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Self

import pytest

from kling_provider import metrics
from kling_provider.exceptions import KlingBudgetError, KlingRequestError, KlingTaskFailed
from kling_provider.operators.kling import KlingGenerateOperator, KlingSubmitOperator
from kling_provider.sandbox import Sandbox
from tests.unit.instance import Instance

# Before 3.2 Airflow had one Stats for all, and no module of this name.
core_stats = pytest.importorskip("airflow.observability.stats")
sdk_stats = pytest.importorskip("airflow.sdk.observability.stats")


class Timer:
    duration = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


class Backend:
    """Airflow's metrics end here: name, value, tags."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, Any, dict[str, Any]]] = []

    def _take(
        self, name: str, value: Any = 1, *_: Any, tags: dict[str, Any] | None = None, **more: Any
    ) -> None:
        self.sent.append((name, more.get("count", value), tags or {}))

    incr = decr = gauge = timing = _take

    def timer(self, *_: Any, **__: Any) -> Any:
        """Airflow times its hooks as well."""
        return Timer()

    def of(self, name: str) -> list[Any]:
        return [value for one, value, _ in self.sent if one == name]


@pytest.fixture
def worker() -> Iterator[Backend]:
    yield from backend(sdk_stats)


@pytest.fixture
def triggerer() -> Iterator[Backend]:
    yield from backend(core_stats)


def backend(stats: Any) -> Iterator[Backend]:
    one = Backend()
    stats.initialize(factory=lambda: one, export_legacy_names=True)
    yield one
    stats.initialize(factory=None, export_legacy_names=True)


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    with Sandbox(time_scale=1, render_seconds=10) as sandbox:
        connection = {
            "conn_type": "kling",
            "host": sandbox.url,
            "password": sandbox.api_key,
            "extra": {"profile": "kling"},
        }
        monkeypatch.setenv("AIRFLOW_CONN_KLING_DEFAULT", json.dumps(connection))
        yield sandbox


REQUEST = {"prompt": "A red panda", "duration": 3, "name": "panda"}
TAGS = {"dag_id": "films", "type": "text_to_video", "model": "kling-3.0"}


def submit(instance: Instance, **more: Any) -> Any:
    return KlingSubmitOperator(task_id="video", **{"request": REQUEST, **more}).execute(instance.context)


def test_a_submission_and_its_adoption(sandbox: Sandbox, worker: Backend) -> None:
    submit(Instance())
    assert worker.sent == [("kling.submitted", 1, TAGS)]
    submit(Instance(try_number=2))
    assert worker.sent[1:] == [("kling.adopted", 1, TAGS)]


@pytest.mark.parametrize("again", ["refused", "lost"])
def test_a_duplicate_that_was_not_paid(sandbox: Sandbox, worker: Backend, again: str) -> None:
    if again == "refused":
        submit(Instance())
    else:
        sandbox.set_faults([{"kind": "answer_lost_after", "times": 1}])
    submit(Instance())
    assert worker.of("kling.duplicates_prevented") == [1]
    assert sandbox.stats()["creates"]["made"] == 1


def test_a_delivery_is_counted_and_timed(sandbox: Sandbox, worker: Backend, tmp_path: Path) -> None:
    submit(Instance())
    sandbox.advance(20)
    generate = KlingGenerateOperator(task_id="video", request=REQUEST, destination=str(tmp_path))
    generate.execute(Instance(try_number=2).context)
    assert worker.of("kling.delivered") == [1]
    assert worker.of("kling.units") == [pytest.approx(1.8)]
    tags = {name: tags for name, _, tags in worker.sent}
    assert tags["kling.delivered"] == TAGS
    assert tags["kling.units"] == {**TAGS, "package": "video"}
    [took] = worker.of("kling.render_time")
    assert timedelta(seconds=9) < took < timedelta(seconds=12)
    # What is there already was delivered before.
    generate.execute(Instance(try_number=3).context)
    assert worker.of("kling.delivered") == [1]


@pytest.mark.parametrize(
    ("more", "error", "reason"),
    [
        ({"max_units": 0.1}, KlingBudgetError, "budget"),
        ({"request": {"promt": "x"}}, KlingRequestError, "request"),
    ],
)
def test_failures_by_reason(
    sandbox: Sandbox, worker: Backend, more: dict[str, Any], error: type[Exception], reason: str
) -> None:
    with pytest.raises(error):
        submit(Instance(), **more)
    assert worker.sent == [("kling.failures", 1, {"dag_id": "films", "reason": reason})]


def test_other_peoples_exceptions_are_not_ours_to_count(worker: Backend) -> None:
    with pytest.raises(ZeroDivisionError), metrics.count_failures(dag_id="films"):
        _ = 1 / 0
    with pytest.raises(KlingTaskFailed), metrics.count_failures(dag_id="films"):
        raise KlingTaskFailed("no")
    assert worker.sent == [("kling.failures", 1, {"dag_id": "films", "reason": "task_failed"})]


def test_who_waits_is_told_by_the_triggerer(triggerer: Backend, worker: Backend) -> None:
    with metrics.track_waiting("result"), metrics.track_waiting("result"), metrics.track_waiting("queue"):
        pass
    told = [(tags["kind"], value) for _, value, tags in triggerer.sent]
    assert told == [("result", 1), ("result", 2), ("queue", 1), ("queue", 0), ("result", 1), ("result", 0)]
    assert worker.sent == []


def test_metrics_that_cannot_be_sent_disturb_nobody() -> None:
    def broken() -> Any:
        raise RuntimeError("no such host")

    sdk_stats.initialize(factory=broken, export_legacy_names=True)
    try:
        metrics.count_submitted(dag_id="films")
    finally:
        sdk_stats.initialize(factory=None, export_legacy_names=True)


def test_the_dashboard_and_the_docs_know_every_metric(repository: Path) -> None:
    source = (repository / "kling_provider/metrics.py").read_text()
    names = set(re.findall(r'"kling\.(\w+)"', source))
    assert len(names) == 11
    documented = (repository / "docs/metrics.md").read_text()
    dashboard = json.loads((repository / "docs/grafana-dashboard.json").read_text())
    shown = " ".join(target["expr"] for panel in dashboard["panels"] for target in panel["targets"])
    for name in names:
        assert f"| `kling.{name}` |" in documented
        assert f"airflow_kling_{name}" in shown
    assert {f"kling_{name}" for name in names} >= set(re.findall(r"kling_[a-z_]+", shown)) - {"kling_"}


def test_the_dashboard_has_grafanas_shape(repository: Path) -> None:
    """What Grafana's importer and its panels rely on."""
    dashboard = json.loads((repository / "docs/grafana-dashboard.json").read_text())
    assert isinstance(dashboard["title"], str)
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,40}", dashboard["uid"])
    assert isinstance(dashboard["schemaVersion"], int)
    assert "id" not in dashboard  # Grafana gives it
    variables = {variable["name"]: variable for variable in dashboard["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource"
    assert variables["datasource"]["query"] == "prometheus"
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        assert panel["type"] in {"stat", "timeseries"}
        assert panel["title"]
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert max(x for x, _ in cells) < 24
        assert not cells & taken
        taken |= cells
        references = [target["refId"] for target in panel["targets"]]
        assert references == sorted(set(references))
        for target in panel["targets"]:
            assert target["datasource"] == panel["datasource"]
            assert target["expr"].count("(") == target["expr"].count(")")
            used = set(re.findall(r"\$(\w+)", target["expr"])) - {"__range", "__rate_interval"}
            assert used <= set(variables)

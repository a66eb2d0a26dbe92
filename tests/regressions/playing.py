# SPDX-License-Identifier: Apache-2.0
"""One task instance played by hand: the try, the defer, the resume, the automatic retry, the clear."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kling_provider.operators.kling import KlingGenerateOperator
from kling_provider.sandbox import Sandbox
from tests.regressions.renamed import AFTER_VIDEO
from tests.unit.instance import Assets, Instance


def made(sandbox: Sandbox) -> int:
    """How many tasks Kling made, which is how many are paid."""
    return int(sandbox.stats()["creates"]["made"])


def context(instance: Instance) -> Any:
    """The context that an operator gets."""
    return {**instance.context, "outlet_events": defaultdict(lambda: SimpleNamespace(extra={}))}


def defer(operator: Any, instance: Instance, sandbox: Sandbox) -> dict[str, Any]:
    """Run up to the defer; then Kling renders. Returns the ``kwargs`` that Airflow keeps, as JSON keeps them."""
    with pytest.raises(BaseException) as deferred:
        operator.execute(context(instance))
    assert type(deferred.value).__name__ == "TaskDeferred", deferred.value
    sandbox.advance(60)
    kwargs: dict[str, Any] = json.loads(json.dumps(deferred.value.kwargs or {}))  # type: ignore[attr-defined]
    return {"kling_task_id": instance.xcoms["kling"]["kling_task_id"], "kwargs": kwargs}


def resume(operator: KlingGenerateOperator, instance: Instance, waited: dict[str, Any]) -> Any:
    """The trigger fired: a worker goes on, with an operator that Airflow rendered anew."""
    event = {"kling_task_id": waited["kling_task_id"], "status": "succeeded"}
    return getattr(operator, AFTER_VIDEO)(context(instance), event, **waited["kwargs"])


def retried(instance: Instance) -> Instance:
    """The same task instance at Airflow's next automatic try."""
    return _again(instance, max_tries=instance.ti.max_tries)


def cleared(instance: Instance) -> Instance:
    """The same task instance after a person cleared it."""
    return _again(instance, max_tries=instance.ti.try_number + 3)


def in_run(run_id: str, assets: Assets | None, **how: Any) -> Instance:
    """The task instance of another run."""
    return Instance(run_id=run_id, assets=assets, **how)


def _again(instance: Instance, max_tries: int) -> Instance:
    ti = instance.ti
    again = Instance(
        ti.task_id,
        dag_id=ti.dag_id,
        run_id=ti.run_id,
        map_index=ti.map_index,
        try_number=ti.try_number + 1,
        max_tries=max_tries,
        assets=instance.assets,
    )
    again.store = instance.store
    return again


def sidecars(folder: Path) -> dict[str, dict[str, Any]]:
    """What is told of each saved file, by its name: in its result's manifest, in earlier releases beside it."""
    found = {
        path.name.removesuffix(".json"): json.loads(path.read_text()) for path in folder.rglob("*.mp4.json")
    }
    for path in folder.rglob("*.kling.json"):
        manifest = json.loads(path.read_text())
        found |= {one["file"]: {**manifest, **one, "type": manifest["type"]} for one in manifest["outputs"]}
    return found


def teller_of(file: Path) -> Path:
    """Where that is told of one saved file."""
    earlier = file.with_name(f"{file.name}.json")
    return earlier if earlier.exists() else file.with_suffix(".kling.json")

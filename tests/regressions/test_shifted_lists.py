# SPDX-License-Identifier: Apache-2.0
"""A prompt file is inserted and the whole run cleared, at a host without a lock: each mapped instance has its neighbour's
request now. What was paid at another map index is not paid again, and the new one is made."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kling_provider.operators.kling import KlingSubmitOperator
from kling_provider.sandbox import Sandbox
from tests.regressions.outcomes import outcome_of
from tests.regressions.playing import cleared, context, made
from tests.unit.instance import Assets, Instance


def requests(names: list[str]) -> list[dict[str, object]]:
    return [{"name": name, "prompt": f"A video of {name}", "duration": 3} for name in names]


def run(instances: list[Instance], names: list[str]) -> list[object]:
    """What each mapped instance comes to: the id of a Kling task, or what stopped it."""
    return [
        outcome_of(
            lambda i=one, r=request: KlingSubmitOperator(task_id="video", request=r).execute(context(i))
        )  # type: ignore[misc]
        for one, request in zip(instances, requests(names), strict=True)
    ]


def shifted(
    before: list[str], after: list[str], *, new_airflow: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    assets = Assets() if new_airflow else None
    with Sandbox(
        time_scale=1, render_seconds=10, units=10_000, concurrency=1000, profile="gateway"
    ) as sandbox:
        connection = {"conn_type": "kling", "host": sandbox.base_url, "password": sandbox.api_key}
        monkeypatch.setenv("AIRFLOW_CONN_KLING_DEFAULT", json.dumps(connection))
        first = [Instance(map_index=index, assets=assets) for index in range(len(before))]
        paid = dict(zip(before, run(first, before), strict=True))
        assert made(sandbox) == len(before)
        again = [cleared(one) for one in first[: len(after)]]
        again += [Instance(map_index=index, assets=assets) for index in range(len(before), len(after))]
        for one in again:
            one.clear_number = 1
        came = dict(zip(after, run(again, after), strict=True))
        assert {name: came[name] for name in before if name in after} == {
            name: paid[name] for name in before if name in after
        }
        assert made(sandbox) == len(set(before) | set(after))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (["kite", "panda"], ["boat", "kite", "panda"]),
        (["kite", "panda", "train"], ["kite", "lantern", "panda", "train"]),
        (["kite", "panda", "train"], ["train", "panda", "kite"]),
        (["kite", "panda", "train"], ["panda", "train"]),
    ],
)
def test_what_another_map_index_paid_is_adopted(
    before: list[str], after: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shifted(before, after, new_airflow=True, monkeypatch=monkeypatch)


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations(["a", "b", "c", "d"]), paid=st.integers(1, 3))
def test_whatever_the_order_is_each_name_is_paid_once(
    order: list[str], paid: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    shifted(sorted(order)[:paid], order, new_airflow=True, monkeypatch=monkeypatch)

# SPDX-License-Identifier: Apache-2.0
"""The whole run: each type is made from its example file, paid once, and told as what it is."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

from kling_provider.api.catalog import all_specs
from tests.stack.types.conftest import Run

#: Two of them open a session first: one call for the faces; one for a session and one for what is marked.
CALLS_BEFORE = {"advanced_lip_sync": 1, "multi_elements": 2}


def test_every_type_of_the_catalog_is_made(every_type: Run) -> None:
    types = {spec.type for spec in all_specs()}
    assert every_type.states == dict.fromkeys({"load"} | types, "success")


def test_each_is_paid_once(every_type: Run) -> None:
    types = {spec.type for spec in all_specs()}
    creates = every_type.sandbox.stats()["creates"]
    assert creates["made"] == creates["received"] == len(types) + sum(CALLS_BEFORE.values())


def test_each_result_says_its_type_what_it_cost_and_where_it_is(every_type: Run) -> None:
    for spec in all_specs():
        result = every_type.result(spec.type)
        assert result["type"] == spec.type
        assert result["name"] == spec.type
        assert result["status"] == "succeeded"
        assert len(result["outputs"]) >= 1
        charges = [one for one in result["billing"] if one["charge_type"] == "unit"]
        assert all(one["package_type"] == spec.package and Decimal(one["amount"]) >= 0 for one in charges)
        manifest = json.loads(Path(result["manifest"].removeprefix("file://")).read_text())
        assert manifest["kling_task_id"] == result["kling_task_id"]
        assert len(manifest["outputs"]) == len(result["outputs"])
        for file in every_type.files(spec.type):
            assert file.stat().st_size > 100
            assert file.name.startswith(spec.type)

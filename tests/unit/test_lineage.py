# SPDX-License-Identifier: Apache-2.0
"""Lineage of a video: names of datasets, Airflow's collector, and OpenLineage's classes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from airflow.sdk import ObjectStoragePath

from kling_provider.api.parsing import parse_request
from kling_provider.api.result_facts import ResultFacts
from kling_provider.execution.lineage import build_dataset_name, describe_lineage, report_lineage
from kling_provider.execution.outcome import TaskOutcome
from kling_provider.storage import Manifest, SavedOutput, SavedResult
from kling_provider.storage.inputs import list_input_addresses

FACTS = {
    "kling_task_id": "912",
    "external_task_id": "af-1",
    "name": "panda",
    "type": "image_to_video",
    "prompt": "It moves",
    "model": "kling-3.0",
    "take": 0,
    "billing": [{"charge_type": "unit", "amount": "3", "currency": None}],
    "created_at": "2026-11-24T06:00:00.000+00:00",
    "finished_at": "2026-11-24T06:01:30.000+00:00",
    "expires_at": "2026-12-24T06:01:30.000+00:00",
}


def outcome(file: str = "s3://aws_default@bucket/videos/panda.mp4") -> TaskOutcome:
    folder, _, name = file.rpartition("/")
    output = SavedOutput(type="video", file=name, bytes=1234, sha256="0" * 64)
    saved = Manifest(version=1, identity="af-1", kling_task_id="912", type="image_to_video", outputs=[output])
    return TaskOutcome(
        facts=ResultFacts.model_validate(FACTS),
        status="succeeded",
        adopted=False,
        input_urls=("https://host.example/pictures/panda.jpg", "/pictures/kite.jpg"),
        saved=SavedResult(ObjectStoragePath(f"{folder}/panda.kling.json"), saved, reused=False),
    )


@pytest.mark.parametrize(
    ("address", "namespace", "name"),
    [
        ("/videos/a b.mp4", "file", "/videos/a b.mp4"),
        ("file:///videos/a.mp4", "file", "/videos/a.mp4"),
        ("s3://conn@bucket/videos/a.mp4", "s3://bucket", "videos/a.mp4"),
        ("gs://bucket/a.mp4", "gs://bucket", "a.mp4"),
        (
            "abfs://container@account.dfs.core.windows.net/a.mp4",
            "abfs://container@account.dfs.core.windows.net",
            "a.mp4",
        ),
        ("https://host.example/p/a.jpg", "https://host.example", "/p/a.jpg"),
    ],
)
def test_names_of_datasets(address: str, namespace: str, name: str) -> None:
    assert build_dataset_name(address) == (namespace, name)


def test_images_have_names_where_they_have_addresses() -> None:
    request = parse_request(
        {
            "type": "image_to_video",
            "prompt": "It moves",
            "first_frame": "https://user:pw@host.example/a.jpg?Expires=1&Signature=s3cr3t",
            "last_frame": "data:image/png;base64,iVBORw0KGgo=",
        }
    )
    assert list_input_addresses(request) == {"first_frame": "https://host.example/a.jpg"}


def test_airflows_own_collector(monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.sdk.lineage import HookLineageCollector

    from kling_provider.execution import lineage

    collector = HookLineageCollector()
    monkeypatch.setattr(lineage, "get_hook_lineage_collector", lambda: collector)
    report_lineage(outcome("file:///videos/panda.mp4"), object())
    collected = collector.collected_assets
    assert [one.asset.uri for one in collected.inputs] == [
        "https://host.example/pictures/panda.jpg",
        "file:///pictures/kite.jpg",
    ]
    assert [one.asset.uri for one in collected.outputs] == ["file:///videos/panda.mp4"]


def test_openlineages_own_classes() -> None:
    pytest.importorskip("airflow.providers.openlineage")
    from openlineage.client.serde import Serde

    lineage = describe_lineage(outcome())
    as_json: dict[str, Any] = json.loads(Serde.to_json(lineage))
    assert [(one["namespace"], one["name"]) for one in as_json["inputs"]] == [
        ("https://host.example", "/pictures/panda.jpg"),
        ("file", "/pictures/kite.jpg"),
    ]
    [output] = as_json["outputs"]
    assert (output["namespace"], output["name"]) == ("s3://bucket", "videos/panda.mp4")
    assert output["outputFacets"]["outputStatistics"]["size"] == 1234
    facet = as_json["run_facets"]["kling"]
    assert (facet["model"], facet["kling_task_id"]) == ("kling-3.0", "912")
    assert facet["billing"] == [{"charge_type": "unit", "amount": "3"}]  # nulls are left out
    assert facet["_schemaURL"].startswith("https://openlineage.io/spec/")


def test_a_submit_knows_less_and_says_that() -> None:
    pytest.importorskip("airflow.providers.openlineage")
    lineage = describe_lineage(
        TaskOutcome(facts=ResultFacts(kling_task_id="912", model="kling-3.0"), status="submitted")
    )
    assert (lineage.inputs, lineage.outputs) == ([], [])
    assert lineage.run_facets["kling"].kling_task_id == "912"

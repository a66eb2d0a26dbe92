# SPDX-License-Identifier: Apache-2.0
"""What stands in a prompt file is data: Airflow does not render it, and what renders it has an end."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG, task
from airflow.serialization import serialized_objects
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kling_provider.exceptions import KlingRequestError
from kling_provider.operators.kling import KlingBudgetOperator, KlingGenerateOperator
from kling_provider.prompts import load_prompts

pytestmark = pytest.mark.airflow_version

SECRET = "s3cr3t-of-the-connection"


def context(dag: DAG, map_index: int = -1) -> Any:
    """What Airflow renders templates with, and a connection that has a secret."""
    return {
        "ti": SimpleNamespace(map_index=map_index, task_id="video"),
        "dag": dag,
        "dag_run": SimpleNamespace(conf={}),
        "params": {},
        "conn": {"kling_default": {"password": SECRET}},
        "brand": "ACME",
    }


def rendered_prompts(requests: list[Any], way: str) -> list[str]:
    """The prompts that reach the task when a Dag gives it ``requests`` while it is parsed."""
    with DAG("literal", schedule=None, start_date=datetime(2026, 1, 1)) as dag:
        if way == "expand":
            KlingGenerateOperator.partial(task_id="video").expand(request=requests)
        elif way == "expand_kwargs":
            KlingGenerateOperator.partial(task_id="video").expand_kwargs([{"request": r} for r in requests])
        elif way == "budget":
            KlingBudgetOperator(task_id="video", requests=requests, video_task_id="x")
        elif way == "function":
            task(task_id="video")(lambda request: request).expand(request=requests)
        elif way == "changed":
            KlingGenerateOperator.partial(task_id="video").expand(
                request=[request | {"duration": 10} for request in requests]
            )
        else:
            for number, request in enumerate(requests):
                KlingGenerateOperator(task_id=f"video{number}", request=request)
    found = []
    try:
        if way == "one by one":
            for number in range(len(requests)):
                operator: Any = dag.get_task(f"video{number}")
                operator.render_template_fields(context(dag))
                found.append(operator.request["prompt"])
        elif way == "budget":
            operator = dag.get_task("video")
            operator.render_template_fields(context(dag))
            found = [request["prompt"] for request in operator.requests]
        else:
            for number in range(len(requests)):
                within = context(dag, number)
                mapped: Any = dag.get_task("video")
                mapped.render_template_fields(within)
                given_: Mapping[str, Any] = getattr(within["task"], "op_kwargs", None) or vars(within["task"])
                found.append(given_["request"]["prompt"])
    except Exception as error:
        pytest.fail(f"it was taken for a template: {error}")
    return found


WAYS = ["expand", "expand_kwargs", "budget", "function", "changed", "one by one"]


@pytest.mark.parametrize("way", WAYS)
def test_what_is_loaded_while_a_dag_is_parsed_is_left_alone(way: str, cases: Path) -> None:
    requests = load_prompts(cases / "dags" / "texts")
    assert rendered_prompts(requests, way) == [
        "Macro shot of code on a screen: {% for %} loops, green glow.",
        "A poster with the words {{ conn.kling_default.password }}.",
        "A neon sign that reads {{ brand }} in the rain.",
        "A wall with the hashtag {# teaser #} on it.",
    ]


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("a.txt", "A sign: {{ conn.kling_default.password }}"),
        ("a.csv", 'name,prompt\nx,"A sign: {{ conn.kling_default.password }}"\n'),
        ("a.json", json.dumps([{"prompt": "A sign: {{ conn.kling_default.password }}", "duration": 3}])),
        (
            "a.yaml",
            "defaults: {prompt: 'A sign: {{ conn.kling_default.password }}'}\nprompts: [{duration: 3}]\n",
        ),
        ("a.md", "A sign: {% set x = conn.kling_default.password %}{{ x }}"),
    ],
)
def test_no_form_of_file_reaches_a_connection(file: str, text: str, tmp_path: Path) -> None:
    (tmp_path / file).write_text(text)
    requests = load_prompts(tmp_path)
    for way in WAYS:
        assert SECRET not in "".join(rendered_prompts(requests, way))


@given(
    st.lists(
        st.sampled_from(
            ["{{", "}}", "{%", "%}", "{#", "#}", " brand ", "conn", "|", "'", " raw ", "\n", "A"]
        ),
        min_size=1,
        max_size=9,
    ).map("".join)
)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_braces_come_through_as_they_were_written(text: str) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "a.json").write_text(json.dumps([{"prompt": f"A {text} b"}]))
        requests = load_prompts(folder)
    assert rendered_prompts(requests, "expand") == [requests[0]["prompt"]]


def test_a_dag_with_them_is_stored_and_read_as_any_other(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("A sign: {{ brand }}\n")
    requests = load_prompts(tmp_path)
    assert json.loads(json.dumps(requests)) == requests
    with DAG("literal", schedule=None, start_date=datetime(2026, 1, 1)) as dag:
        KlingGenerateOperator.partial(task_id="video").expand(request=requests)
    stores = getattr(serialized_objects, "DagSerialization", None) or serialized_objects.SerializedDAG
    stored = json.dumps(stores.to_dict(dag))
    assert "A sign: {{ brand }}" in stored
    assert stores.from_dict(json.loads(stored)).has_task("video")
    assert rendered_prompts(requests, "expand") == ["A sign: {{ brand }}"]


@pytest.mark.parametrize(
    "text",
    [
        "A {% for i in range(3000) %}{% for j in range(3000) %}{% endfor %}{% endfor %}",
        "A {{ ('x' * 30000000)|length }}",
        "A {{ ('%30000000d'|format(1))|length }}",
        "A {% set x = 'ab' %}" + "{% set x = x ~ x %}" * 22 + "{{ x|length }}",
        "A {% set x = [1] %}" + "{% set x = [x, x] %}" * 30 + "{{ x|length }}",
        "A {{ ('a' * 3000)|replace('a', 'b' * 3000)|length }}",
    ],
    ids=["loops", "repeated", "width", "doubled", "nested", "replaced"],
)
def test_a_text_with_values_cannot_run_for_ever_or_fill_the_memory(text: str, tmp_path: Path) -> None:
    """Each of these is done within seconds. The same with larger numbers is not."""
    (tmp_path / "a.md").write_text(text)
    with pytest.raises(KlingRequestError, match="it makes more than a prompt needs"):
        load_prompts(tmp_path, values={"city": "Oslo"})

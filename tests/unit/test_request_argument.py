# SPDX-License-Identifier: Apache-2.0
"""What operators take as a request, while a Dag is parsed."""

from __future__ import annotations

from collections import ChainMap, UserDict
from datetime import datetime
from types import MappingProxyType
from typing import Any

import pytest
from airflow.sdk import DAG
from hypothesis import given
from hypothesis import strategies as st

from kling_provider.api.requests.video import TextToVideo
from kling_provider.arguments import with_dicts
from kling_provider.exceptions import KlingRequestError
from kling_provider.operators.kling import (
    KlingBudgetOperator,
    KlingDownloadOperator,
    KlingGenerateOperator,
    KlingSubmitOperator,
)
from kling_provider.prompts.literal import LiteralRequest
from kling_provider.sensors.kling import KlingTaskSensor

pytestmark = pytest.mark.airflow_version
WHERE: dict[Any, dict[str, Any]] = {
    KlingSubmitOperator: {},
    KlingGenerateOperator: {},
    KlingTaskSensor: {"kling_task_id": "1"},
    KlingDownloadOperator: {"kling_task_id": "1", "destination": "/tmp"},
}


@pytest.mark.parametrize("operator", WHERE)
@pytest.mark.parametrize(
    "request_", [TextToVideo(prompt="A"), "A panda", 5, ["A"]], ids=["model", "text", "number", "list"]
)
def test_what_is_no_mapping_is_refused_while_the_dag_is_parsed(operator: Any, request_: Any) -> None:
    with pytest.raises(
        KlingRequestError, match=r"request must be a mapping such as .* \(of a model: model\.model_dump"
    ):
        operator(task_id="x", request=request_, **WHERE[operator])
    with pytest.raises(KlingRequestError, match="request must be a mapping"), DAG("d", schedule=None):
        operator.partial(task_id="x", request=request_, **WHERE[operator])


def test_a_list_of_models_is_no_list_of_requests() -> None:
    with pytest.raises(KlingRequestError, match="requests must be a list of requests"):
        KlingBudgetOperator(task_id="x", requests=[TextToVideo(prompt="A")])  # type: ignore[list-item]


@pytest.mark.parametrize("operator", WHERE)
@pytest.mark.parametrize("kind", [MappingProxyType, UserDict, ChainMap])
def test_every_kind_of_mapping_is_rendered(operator: Any, kind: Any) -> None:
    request = kind({"prompt": "{{ run_id }}", "multi_prompt": [kind({"prompt": "in {{ run_id }}"})]})
    with DAG("d", schedule=None, start_date=datetime(2026, 1, 1)):
        made = operator(task_id="x", request=request, **WHERE[operator])
    made.render_template_fields({"run_id": "monday"})
    assert made.request == {"prompt": "monday", "multi_prompt": [{"prompt": "in monday"}]}


@given(
    st.recursive(
        st.integers() | st.text(max_size=3),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
        max_leaves=8,
    )
)
def test_what_holds_dicts_alone_is_the_very_same_object(value: Any) -> None:
    """Airflow tells by it what came from an XCom, and renders no Jinja in that."""
    assert with_dicts(value) is value


def test_a_literal_request_stays_one() -> None:
    literal = LiteralRequest({"prompt": "{{ x }}"})
    assert with_dicts(literal) is literal
    assert type(literal | {"a": 1}) is type({"a": 1} | literal) is type(literal.copy()) is LiteralRequest
    assert {"a": 1} | literal == {"a": 1, "prompt": "{{ x }}"}
    assert literal.resolve({}) == literal
    assert type(literal.resolve({})) is dict

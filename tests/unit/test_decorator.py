# SPDX-License-Identifier: Apache-2.0
"""``@task.kling``: what its function may be and may return, before anything is sent."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from functools import partial
from types import MappingProxyType
from typing import Any

import pytest
from airflow.sdk import DAG

from kling_provider.api.parsing import parse_request
from kling_provider.decorators.kling import KlingDecoratedOperator, kling_task
from kling_provider.exceptions import KlingRequestError
from kling_provider.operators.kling import KlingGenerateOperator
from tests.unit.instance import Instance

REQUEST = {"prompt": "A red panda"}


def make_request(function: Callable[..., Any]) -> Any:
    operator = KlingDecoratedOperator(task_id="video", python_callable=function)
    context: Any = Instance().context
    request = operator.make_request(context)
    assert operator.request == request
    return request


@pytest.mark.parametrize(
    "returned", [REQUEST, MappingProxyType(REQUEST), parse_request(REQUEST), "A red panda"], ids=type
)
def test_a_function_returns_a_request_or_a_prompt(returned: Any) -> None:
    assert parse_request(make_request(lambda: returned)) == parse_request(REQUEST)


@pytest.mark.parametrize(
    ("returned", "found"),
    [(None, "NoneType"), ([REQUEST], "list"), (5, "int"), (b"A red panda", "bytes"), (iter(()), "tuple_iterator")],
)  # fmt: skip
def test_what_else_it_returns_is_named_by_its_type(returned: Any, found: str) -> None:
    def write_prompt() -> Any:
        return returned

    with pytest.raises(KlingRequestError) as refused:
        make_request(write_prompt)
    assert str(refused.value) == (
        "The function write_prompt must return a request (a mapping) or a prompt (text); "
        f"found {found}. Nothing was sent."
    )


async def write_later() -> str:
    return "A red panda"


async def write_many() -> AsyncIterator[str]:
    yield "A red panda"


@pytest.mark.parametrize(
    "function",
    [write_later, write_many, partial(write_later)],
    ids=["coroutine", "async generator", "partial"],
)
@pytest.mark.parametrize("mapped", [False, True], ids=["plain", "mapped"])
def test_a_coroutine_function_is_refused_where_the_dag_is_parsed(
    function: Callable[..., Any], mapped: bool
) -> None:
    said = r"KlingDecoratedOperator '\w+': the function write_\w+ must be a plain function \(def\); found async def"
    if mapped and not isinstance(function, partial):  # Airflow maps functions only

        async def write_each(prompt: str) -> str:
            return prompt

        with DAG("films"), pytest.raises(KlingRequestError, match=said):
            kling_task(write_each).expand(prompt=["A", "B"])
        return
    with pytest.raises(KlingRequestError, match=said):
        KlingDecoratedOperator(task_id="video", python_callable=function)


def test_the_templates_are_those_of_the_operator() -> None:
    own = {name for name in KlingGenerateOperator.template_fields if name != "request"}
    assert set(KlingDecoratedOperator.template_fields) == {"op_args", "op_kwargs", *own}

# SPDX-License-Identifier: Apache-2.0
"""The decorator ``@task.kling``: a task that generates a result from the request or prompt that a function returns."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, cast

from airflow.providers.common.compat.sdk import (
    SET_DURING_EXECUTION,
    DecoratedOperator,
    context_merge,
    determine_kwargs,
)
from airflow.sdk.bases.decorator import _TaskDecorator

from kling_provider.arguments import Argument
from kling_provider.operators.base import declare_asset
from kling_provider.operators.kling import KlingGenerateOperator

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.sdk.bases.decorator import TaskDecorator

__all__ = ["KlingDecoratedOperator", "kling_task"]


class KlingDecoratedOperator(DecoratedOperator, KlingGenerateOperator):
    """Generate a result from the request that a function returns. ``@task.kling`` makes this operator.

    The function must return a request (a mapping) or a prompt (text). Airflow calls it at every try, and again after a wait
    at the account's concurrency limit. A retry pays nothing only if the function returns an equal request again. If it
    returns another one each time (because it asks a language model), call it in a task of its own, and pass the XCom of that
    task to the one that generates the result.

    :param python_callable: the function, without ``async``.
    :param op_args: positional arguments for the function. (templated)
    :param op_kwargs: keyword arguments for the function. (templated)

    The other parameters are those of :class:`~kling_provider.operators.kling.KlingGenerateOperator`, without ``request``.
    """

    # The request is what the function returns, so it is neither an argument nor rendered.
    template_fields: Sequence[str] = (
        *DecoratedOperator.template_fields,
        *(name for name in KlingGenerateOperator.template_fields if name != "request"),
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {**DecoratedOperator.template_fields_renderers}
    custom_operator_name = "@task.kling"
    arguments: ClassVar[Mapping[str, Argument]] = {
        name: one for name, one in KlingGenerateOperator.arguments.items() if name != "request"
    }

    def __init__(
        self,
        *,
        python_callable: Callable[..., Any],
        op_args: Collection[Any] | None = None,
        op_kwargs: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            python_callable=python_callable,
            op_args=op_args,
            op_kwargs=op_kwargs,
            request=SET_DURING_EXECUTION,
            **kwargs,
        )
        _refuse_coroutine_function(python_callable, self.task_id)

    def make_request(self, context: Context) -> Any:
        """Call the function and return its request, just before it is checked and priced.

        It is not called when a task that waited for its result goes on.

        :raises KlingRequestError: if the function returns neither a request nor a text; nothing was sent.
        """
        # Imported here, because importing them would slow the parsing of Dag files.
        from kling_provider.api.requests.base import KlingRequest
        from kling_provider.exceptions import KlingRequestError

        context_merge(context, self.op_kwargs)
        arguments = determine_kwargs(self.python_callable, self.op_args, context)
        returned = self.python_callable(*self.op_args, **arguments)
        # What the function returned is data: it is not rendered again.
        self.request = {"prompt": returned} if isinstance(returned, str) else returned
        if not isinstance(self.request, Mapping | KlingRequest):
            raise KlingRequestError(
                f"The function {_name_function(self.python_callable)} must return a request (a mapping) or a prompt "
                f"(text); found {type(returned).__name__}. Nothing was sent."
            )
        return self.request


class _KlingTask(_TaskDecorator[Any, Any, KlingDecoratedOperator]):
    """Stand for the decorated function while the Dag is parsed; mapped tasks are checked, and their asset is declared."""

    def expand(self, **values: Any) -> Any:
        return _declare_mapped(super().expand(**values))

    def expand_kwargs(self, kwargs: Any, *, strict: bool = True) -> Any:
        return _declare_mapped(super().expand_kwargs(kwargs, strict=strict))


def _declare_mapped(mapped: Any) -> Any:
    operator = mapped.operator
    _refuse_coroutine_function(operator.python_callable, operator.task_id)
    KlingDecoratedOperator.read_arguments({**operator.partial_kwargs, "task_id": operator.task_id})
    declare_asset(operator.partial_kwargs, operator.dag, operator.task_id)
    return mapped


def _refuse_coroutine_function(function: Callable[..., Any], task_id: str) -> None:
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        from kling_provider.exceptions import KlingRequestError

        raise KlingRequestError(
            f"{KlingDecoratedOperator.__name__} {task_id!r}: the function {_name_function(function)} must be a plain "
            "function (def); found async def"
        )


def _name_function(function: Callable[..., Any]) -> str:
    plain = function.func if isinstance(function, partial) else function
    return getattr(plain, "__name__", type(plain).__name__)


def kling_task(
    python_callable: Callable[..., Any] | None = None,
    *,
    multiple_outputs: bool = False,
    **kwargs: Any,
) -> TaskDecorator:
    """Turn a function that returns a request or a prompt into a task that generates the result.

    :param python_callable: the function, if the decorator is used without arguments.
    :param multiple_outputs: whether each key of the result becomes an XCom of its own. Airflow's own decorators default to
        what the function's return annotation says (``dict``: true). Here the default is false, because the annotation
        describes the request and not the result.
    :param kwargs: the parameters of :class:`~kling_provider.operators.kling.KlingGenerateOperator` without ``request``.
    """

    def decorate_function(function: Callable[..., Any]) -> Any:
        return _KlingTask(
            function=function,
            operator_class=KlingDecoratedOperator,
            multiple_outputs=multiple_outputs,
            kwargs=dict(kwargs),
        )

    return cast(
        "TaskDecorator", decorate_function if python_callable is None else decorate_function(python_callable)
    )

# SPDX-License-Identifier: Apache-2.0
"""The decorator ``@task.kling``, which turns a function that returns a request or a prompt into a generated video."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
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
    """Generate a video from the request that a function returns; ``@task.kling`` makes this operator.

    The function returns a request (a mapping) or a prompt (text). It runs at every try, and again after a wait at the
    account's concurrency limit; only equal requests are paid once. A function that returns something else each time
    (a language model) belongs in a task of its own, whose XCom is passed to the task of the video.

    :param python_callable: the function.
    :param op_args: positional arguments for the function. (templated)
    :param op_kwargs: keyword arguments for the function. (templated)

    The other parameters are those of :class:`~kling_provider.operators.kling.KlingGenerateOperator`, without ``request``.
    """

    template_fields: Sequence[str] = (
        *DecoratedOperator.template_fields,
        "destination",
        "filename",
        "kling_conn_id",
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {**DecoratedOperator.template_fields_renderers}
    custom_operator_name = "@task.kling"
    # The request is what the function returns.
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

    def make_request(self, context: Context) -> Any:
        """Call the function for its request, just before it is sent; a resume that only finishes a video does not call it."""
        context_merge(context, self.op_kwargs)
        arguments = determine_kwargs(self.python_callable, self.op_args, context)
        returned = self.python_callable(*self.op_args, **arguments)
        # What the function returned is data: it is not rendered again.
        self.request = {"prompt": returned} if isinstance(returned, str) else returned
        return self.request


class _KlingTask(_TaskDecorator[Any, Any, KlingDecoratedOperator]):
    """The decorated function while the Dag is parsed; checks mapped tasks and declares their asset too."""

    def expand(self, **values: Any) -> Any:
        return _declare_mapped(super().expand(**values))

    def expand_kwargs(self, kwargs: Any, *, strict: bool = True) -> Any:
        return _declare_mapped(super().expand_kwargs(kwargs, strict=strict))


def _declare_mapped(mapped: Any) -> Any:
    operator = mapped.operator
    KlingDecoratedOperator.read_arguments({**operator.partial_kwargs, "task_id": operator.task_id})
    declare_asset(operator.partial_kwargs, operator.dag, operator.task_id)
    return mapped


def kling_task(
    python_callable: Callable[..., Any] | None = None,
    *,
    multiple_outputs: bool = False,
    **kwargs: Any,
) -> TaskDecorator:
    """Turn a function that returns a request or a prompt into a task that generates the video.

    :param python_callable: the function, where the decorator is used without arguments.
    :param multiple_outputs: whether each key of the result is an XCom of its own.
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

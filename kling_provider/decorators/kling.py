# SPDX-License-Identifier: Apache-2.0
"""``@task.kling``: a function that returns a request, or only its prompt, becomes a generated video."""

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


class KlingDecoratedOperator(DecoratedOperator, KlingGenerateOperator):
    """What ``@task.kling`` makes of a function.

    The function returns a request (a mapping) or a prompt (text). It runs at every try, and again when a wait for the
    account's concurrency ends; the request is part of what is paid once. A function that returns something else each
    time (a language model) belongs into a task of its own, whose XCom the video's task takes.
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
        """Call the function, just before its request is sent: not where a video that was sent is only finished."""
        context_merge(context, self.op_kwargs)
        arguments = determine_kwargs(self.python_callable, self.op_args, context)
        returned = self.python_callable(*self.op_args, **arguments)
        # What the function returned is data: it is not rendered again.
        self.request = {"prompt": returned} if isinstance(returned, str) else returned
        return self.request


class _KlingTask(_TaskDecorator[Any, Any, KlingDecoratedOperator]):
    """What ``@task.kling`` makes of a function while the Dag is parsed; mapped ones are checked and have their asset
    too."""

    def expand(self, **values: Any) -> Any:
        return _declared(super().expand(**values))

    def expand_kwargs(self, kwargs: Any, *, strict: bool = True) -> Any:
        return _declared(super().expand_kwargs(kwargs, strict=strict))


def _declared(mapped: Any) -> Any:
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
    """Turn a function into a :class:`KlingDecoratedOperator`; takes the parameters of Generate."""

    def decorate(function: Callable[..., Any]) -> Any:
        return _KlingTask(
            function=function,
            operator_class=KlingDecoratedOperator,
            multiple_outputs=multiple_outputs,
            kwargs=dict(kwargs),
        )

    return cast("TaskDecorator", decorate if python_callable is None else decorate(python_callable))

# SPDX-License-Identifier: Apache-2.0
"""What all operators of ours have in common: settings that are checked early, and requests that show no secrets.

Settings are checked while a Dag is parsed: before anything can cost money. What is mapped is checked on the worker before
the task runs, because Airflow makes the operator then.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from airflow.sdk import BaseOperator

from kling_provider.arguments import Argument, read_arguments


class ChecksArguments(BaseOperator):
    """An operator whose :attr:`arguments` are checked as soon as they are known, mapped or not."""

    #: By name, what the settings of this class may be. A subclass adds its own: ``{**Base.arguments, …}``.
    arguments: ClassVar[Mapping[str, Argument]] = {}
    _requests_among: ClassVar[tuple[str, ...]] = ("request", "requests")

    @classmethod
    def partial(cls, **kwargs: Any) -> Any:
        # A mapped operator is not made while the Dag is parsed: what its instances have in common is checked here.
        cls.read_arguments(kwargs)
        return super().partial(**kwargs)

    @classmethod
    def read_arguments(cls, given: Mapping[str, Any]) -> dict[str, Any]:
        """Those of ``given`` that are known by now, as they are used from here on.

        :raises KlingRequestError: naming every one that is wrong.
        """
        return read_arguments(_owner(cls, given), cls.arguments, given, cls.template_fields)

    def _check_arguments(self) -> None:
        """At the end of ``__init__``: what it was given."""
        for name, value in self.read_arguments(vars(self)).items():
            setattr(self, name, value)

    def _do_render_template_fields(self, parent: Any, *args: Any, **kwargs: Any) -> None:
        # The one method that Airflow calls for plain and for mapped tasks, just before it stores what was rendered.
        super()._do_render_template_fields(parent, *args, **kwargs)
        if parent is self:
            from kling_provider.operators.showing import veil

            self._change_requests(veil)

    def pre_execute(self, context: Any) -> None:
        """Take the requests as they are: what was rendered is stored by now."""
        from kling_provider.operators.showing import unveil

        super().pre_execute(context)
        self._change_requests(unveil)

    def _change_requests(self, change: Callable[[Any], Any]) -> None:
        for name in self._requests_among:
            if name in self.template_fields:
                setattr(self, name, change(getattr(self, name)))

    def _check_rendered(self) -> None:
        """At the start of ``execute``: what was templated, and is known only now."""
        templated = {name: self.arguments[name] for name in self.arguments if name in self.template_fields}
        for name, value in read_arguments(_owner(type(self), vars(self)), templated, vars(self)).items():
            setattr(self, name, value)


def _owner(cls: type[BaseOperator], given: Mapping[str, Any]) -> str:
    return f"{cls.__name__} {given['task_id']!r}" if "task_id" in given else cls.__name__

# SPDX-License-Identifier: Apache-2.0
"""Requests that Airflow leaves alone when it renders templates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class LiteralRequest(dict[str, Any]):
    """A request whose texts Airflow does not render: Jinja in a prompt file is part of the prompt.

    Airflow renders the templated fields of an operator, at any depth of a dict, so ``{{ conn.kling_default.password }}``
    in a prompt file would become the password. Of an object with a method ``resolve`` it takes the value that this
    returns, and does not render it.

    Otherwise it is a dict. ``request | {"duration": 10}`` and copies stay literal. ``{**request}`` is the Dag's own
    dict, which Airflow renders as it renders every other.
    """

    def resolve(self, context: Mapping[str, Any]) -> dict[str, Any]:
        """Return the plain request; Airflow calls this when it renders the fields of the task that has the request."""
        return dict(self)

    def copy(self) -> LiteralRequest:
        """Return a copy that stays literal."""
        return LiteralRequest(self)

    __copy__ = copy

    def __or__(self, other: Any) -> Any:
        both = super().__or__(other)
        return both if both is NotImplemented else LiteralRequest(both)

    def __ror__(self, other: Any) -> Any:
        both = super().__ror__(other)
        return both if both is NotImplemented else LiteralRequest(both)

# SPDX-License-Identifier: Apache-2.0
"""Requests that Airflow leaves alone when it renders templates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class LiteralRequest(dict[str, Any]):
    """A request whose texts are data: what looks like Jinja in them is what somebody wrote into a prompt file.

    Airflow renders what a Dag gives to an operator, dicts all through, and ``{{ conn.kling_default.password }}`` in a
    prompt file would be the password. It asks anything that has a ``resolve`` what it stands for instead, and takes
    the answer as it is.

    Otherwise it is a dict. ``request | {"duration": 10}`` and copies stay literal. ``{**request}`` is the Dag's own
    dict, which Airflow renders as it renders every other.
    """

    def resolve(self, context: Mapping[str, Any]) -> dict[str, Any]:
        """The plain request. Airflow calls this when it renders the task that the request was given to."""
        return dict(self)

    def copy(self) -> LiteralRequest:
        return LiteralRequest(self)

    __copy__ = copy

    def __or__(self, other: Any) -> Any:
        both = super().__or__(other)
        return both if both is NotImplemented else LiteralRequest(both)

    def __ror__(self, other: Any) -> Any:
        both = super().__ror__(other)
        return both if both is NotImplemented else LiteralRequest(both)

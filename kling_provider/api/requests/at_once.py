# SPDX-License-Identifier: Apache-2.0
"""Requests that Kling answers at once: the answer is the result, and there is no task."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

from kling_provider.api.requests.base import KlingRequest
from kling_provider.api.tasks import Output


class AnswerWithoutResult(ValueError):
    """The answer to a call that makes no task holds no result: none can be read, or Kling refused what it was given."""


class AnswerRefused(AnswerWithoutResult):
    """The answer says that Kling refused what it was given, so that nothing was made."""


class AnsweredAtOnce(KlingRequest):
    """A request whose answer is its result: Kling makes no task, so there is nothing to wait for and nothing to look up.

    It has no external id, no callback and no model.
    """

    without: ClassVar[frozenset[str]] = frozenset({"model", "callback_url", "external_task_id"})

    @classmethod
    @abstractmethod
    def read_outputs(cls, data: Any) -> tuple[Output, ...]:
        """Return what the ``data`` of the answer holds; what it cost stands beside, as in a task.

        :raises AnswerRefused: where Kling says in it that it made nothing, with words for people.
        :raises AnswerWithoutResult: where it holds no result, with words for people.
        """

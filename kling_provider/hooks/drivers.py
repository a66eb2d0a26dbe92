# SPDX-License-Identifier: Apache-2.0
"""Run an operation: ``KlingHook`` sends its calls one after the other, ``KlingAsyncHook`` on its event loop.

An operation is a generator. It yields calls, each with a function that parses the response, and returns its result.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from kling_provider.exceptions import KlingError, KlingRateLimitError, KlingServerError

if TYPE_CHECKING:
    from kling_provider.api.calls import ApiRequest
    from kling_provider.api.codes import ApiResponse

#: Reads of one task at the same time, on hosts that read one task per call.
_AT_ONCE = 8
#: Faults of the host or of the way to it, after which a read is worth another try.
_FAULTS = (KlingServerError, KlingRateLimitError)


@dataclass(frozen=True, slots=True)
class ReadCall:
    """One call, and what its answer means.

    :param parse: raises for an answer that is no success.
    :param retry_after: the errors after which it may be tried again.
    :param is_large: parsing the answer would hold an event loop up, so it is for a thread.
    """

    call: ApiRequest
    parse: Callable[[ApiResponse], Any]
    retry_after: tuple[type[KlingError], ...] = _FAULTS
    is_large: bool = False


@dataclass(frozen=True, slots=True)
class ReadCalls:
    """Several calls that may be on their way at the same time; their results come in the order of the calls."""

    reads: Sequence[ReadCall]


Result = TypeVar("Result")
Operation = Generator[ReadCall | ReadCalls, Any, Result]


def drive_sync(operation: Operation[Result], send_read: Callable[[ReadCall], Any]) -> Result:
    """Run an operation, one call after the other, and return its result.

    :param send_read: sends one call and parses its answer.
    """
    try:
        step = next(operation)
        while True:
            step = operation.send(
                [send_read(read) for read in step.reads] if isinstance(step, ReadCalls) else send_read(step)
            )
    except StopIteration as end:
        result: Result = end.value
        return result


async def drive_async(
    operation: Operation[Result], send_read: Callable[[ReadCall], Awaitable[Any]]
) -> Result:
    """Run an operation on an event loop, and return its result; up to 8 of several calls are sent at the same time.

    :param send_read: sends one call and parses its answer.
    """
    gate = asyncio.Semaphore(_AT_ONCE)

    async def send_in_turn(read: ReadCall) -> Any:
        async with gate:
            return await send_read(read)

    try:
        step = next(operation)
        while True:
            step = operation.send(
                list(await asyncio.gather(*map(send_in_turn, step.reads)))
                if isinstance(step, ReadCalls)
                else await send_read(step)
            )
    except StopIteration as end:
        result: Result = end.value
        return result

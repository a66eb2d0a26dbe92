# SPDX-License-Identifier: Apache-2.0
"""Load what triggers need off the event loop, once, and start thousands of them a few at a time."""

from __future__ import annotations

import asyncio
import importlib
import logging
from collections import deque
from weakref import WeakKeyDictionary

from kling_provider import metrics

#: Triggers that start before the loop is left to others: each writes a line and a metric, and makes a timer.
_SLICE = 10

log = logging.getLogger(__name__)

#: What was loaded wholly: a module that is being imported is in ``sys.modules`` already.
_loaded: set[str] = set()
#: Those that came while it was being loaded, by event loop.
_waiting: WeakKeyDictionary[asyncio.AbstractEventLoop, deque[asyncio.Future[None]]] = WeakKeyDictionary()
_loading: set[asyncio.Task[None]] = set()


async def load_module(module: str) -> None:
    """Import a module in a thread: aiohttp alone takes 250 ms, in which the event loop would stand still.

    A triggerer that restarts brings thousands of triggers before that is over. They go on one after the other.

    :raises ImportError: where it cannot be imported.
    """
    loop = asyncio.get_running_loop()
    queue = _waiting.get(loop)
    if queue is not None:
        await _take_turn(queue)
    elif module not in _loaded:
        queue = _waiting[loop] = deque()
        # A task of its own: the trigger that came first may be cancelled, and the others go on.
        loading = loop.create_task(_load_for_all(module, queue))
        queue.append(first := loop.create_future())
        _loading.add(loading)
        loading.add_done_callback(_loading.discard)
        await first
    if module not in _loaded:
        # Another module was loaded meanwhile, or this one could not be.
        await asyncio.to_thread(_load, module)


async def _take_turn(queue: deque[asyncio.Future[None]]) -> None:
    turn = asyncio.get_running_loop().create_future()
    queue.append(turn)
    await turn


async def _load_for_all(module: str, queue: deque[asyncio.Future[None]]) -> None:
    try:
        await asyncio.to_thread(_load, module)
    except Exception:
        # Each of those that wait tries it again, and says why it cannot.
        log.debug("%s could not be loaded.", module, exc_info=True)
    while queue:
        for _ in range(min(_SLICE, len(queue))):
            turn = queue.popleft()
            if not turn.done():
                turn.set_result(None)
        await asyncio.sleep(0)
    del _waiting[asyncio.get_running_loop()]


def _load(module: str) -> None:
    importlib.import_module(module)
    # Airflow reads its list of metrics at the first one, which takes as long again.
    metrics.send_waiting("result")
    _loaded.add(module)

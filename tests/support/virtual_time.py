# SPDX-License-Identifier: Apache-2.0
"""The poller and a sandbox on one event loop whose time is not real: an hour of waiting takes seconds.

The time jumps to the next timer when nothing else is left to do, so a busy machine changes no figure.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import selectors
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from kling_provider.polling import clock, render_times, waiting
from kling_provider.polling.render_times import RenderKind
from kling_provider.polling.wait_state import WaitState
from kling_provider.sandbox.app import App
from kling_provider.sandbox.http.messages import Request
from kling_provider.sandbox.options import Options
from kling_provider.sandbox.state.clock import Clock

#: Nothing fires earlier after a defer.
FIRST_LOOK = 10.0
KIND = RenderKind("text_to_video", "kling-3.0", 5, "720p", "off")
_START = 1_790_000_000.0


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time jumps to the next timer when nothing else is left to do."""

    def __init__(self) -> None:
        self.virtual = 0.0
        self.threads = 0
        super().__init__(_JumpingSelector(self))

    def time(self) -> float:
        return self.virtual

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> Any:  # type: ignore[override]
        self.threads += 1
        future = super().run_in_executor(executor, func, *args)
        future.add_done_callback(self._end_thread)
        return future

    def _end_thread(self, _: Any) -> None:
        self.threads -= 1


class _JumpingSelector(selectors.DefaultSelector):
    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> Any:
        # What was sent over the loopback arrives at once, or nearly so.
        ready = super().select(0 if timeout == 0 else 0.0003)
        if not ready and timeout and self._loop.threads == 0:
            self._loop.virtual += timeout
        return ready


class _LoopClock(Clock):
    """The sandbox's clock, which is the loop's."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._loop = loop

    def __call__(self) -> float:
        return _START + self._loop.time()


class VirtualKling:
    """A sandbox in this loop: its answers are the real ones, its socket is aiohttp's.

    :param read_time: seconds that a read takes; what it says was so when it came.
    """

    def __init__(self, read_time: float) -> None:
        self.app = App(Options(time_scale=1.0, concurrency=100_000, units=1e9))
        self.app.backend.clock = _LoopClock(asyncio.get_running_loop())
        self.key = self.app.backend.get_account().api_key
        self.read_time = read_time
        #: Method and path of every read.
        self.reads: list[tuple[str, str]] = []

    async def answer(self, request: web.Request) -> web.Response:
        self.reads.append((request.method, request.path_qs))
        answer = self.app.answer_request(
            Request(
                method=request.method,
                path=request.path,
                query=request.query_string,
                headers=list(request.headers.items()),
                body=await request.read(),
            )
        )
        await asyncio.sleep(self.read_time)
        return web.Response(status=answer.status, body=answer.encode_body(), content_type="application/json")

    def create_task(self, seconds: float) -> tuple[str, float]:
        """Make a task that renders for so many seconds, and return its id and when it was made."""
        self.app.options.render_seconds = seconds
        body = json.dumps({"prompt": "A red panda", "settings": {"duration": 5, "audio": "off"}}).encode()
        headers = [("Authorization", f"Bearer {self.key}"), ("Content-Type", "application/json")]
        answer = self.app.answer_request(
            Request(method="POST", path="/text-to-video/kling-3.0", headers=headers, body=body)
        )
        data = answer.payload["data"]
        return data["id"], data["create_time"] / 1000


@asynccontextmanager
async def serving_virtually(read_time: float) -> AsyncIterator[VirtualKling]:
    """A sandbox that connection ``kling_default`` leads to."""
    kling = VirtualKling(read_time)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", kling.answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server = site._server
    assert isinstance(server, asyncio.Server)
    port = server.sockets[0].getsockname()[1]
    os.environ["AIRFLOW_CONN_KLING_DEFAULT"] = json.dumps(
        {
            "conn_type": "kling",
            "host": f"http://127.0.0.1:{port}",
            "password": kling.key,
            "extra": {"profile": "kling"},
        }
    )
    try:
        yield kling
        await asyncio.sleep(5)
    finally:
        await runner.cleanup()
        del os.environ["AIRFLOW_CONN_KLING_DEFAULT"]


async def watch_video(
    kling: VirtualKling,
    seconds: float,
    *,
    after: float = 0.0,
    learned: bool = True,
    every: float | None = None,
) -> float:
    """Make a video after so many seconds, wait for it, and return how late its end was noticed.

    :param learned: else it waits as a trigger of which nothing but the id is known.
    :param every: the interval that the user asks for.
    """
    await asyncio.sleep(after)
    task, made_at = kling.create_task(seconds)
    now = clock.now()
    wait = WaitState(kling_task_id=task, deadline=now + 3600, since=now + FIRST_LOOK, poll_interval=every)
    known = made_at if learned else None
    decision = await waiting.wait_for_video(
        "kling_default",
        wait,
        kind=KIND,
        first_look=now + FIRST_LOOK,
        made_at=known,
        created_at=known,
        say=lambda line: None,
    )
    assert decision.task is not None
    assert decision.task.status.ended
    return clock.now() - (made_at + seconds)


def forget_all() -> None:
    """Forget what this process has learned, as a triggerer that starts anew."""
    render_times._times.clear()
    waiting._pollers.clear()


def run_virtually(work: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    """Run a coroutine on a virtual loop, whose time is also the poller's, and return its result."""
    loop = VirtualLoop()
    real = clock.now, clock.convert_wall_time
    clock.now = lambda: _START + loop.time()
    clock.convert_wall_time = lambda epoch: epoch
    random.seed(3)
    forget_all()
    try:
        return loop.run_until_complete(work())
    finally:
        clock.now, clock.convert_wall_time = real
        forget_all()
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()

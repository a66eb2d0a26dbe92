# SPDX-License-Identifier: Apache-2.0
"""Stand-ins for the tests of waiting: an account's HTTP side, and a world of workers for the queue."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import json
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from aiohttp import web

from kling_provider.execution.arrival import PATIENCE
from kling_provider.polling.lines import Entry
from kling_provider.polling.queue import ConcurrencyQueue, Grant, Running

KEY = "sk-a-secret-key-of-these-tests-and-of-nothing-else"


def connection_json(host: str, **fields: Any) -> str:
    """An Airflow connection for ``AIRFLOW_CONN_…``; extras by keyword ``extra``."""
    return json.dumps({"conn_type": "kling", "host": host, "password": KEY, **fields})


class Account:
    """What Kling says about the tasks of one account; the test changes it while others read."""

    def __init__(self) -> None:
        self.words: dict[str, str] = {}
        self.externals: dict[str, str] = {}
        self.keys = {KEY}
        self.calls: list[tuple[str, str]] = []
        self.at: list[float] = []
        self.fault: Callable[[web.Request], web.StreamResponse | None] = lambda request: None
        self.packs: list[dict[str, Any]] = []
        self.at_once = self.most_at_once = 0
        self.slowness = 0.0

    def _task(self, task: str) -> dict[str, Any]:
        return {
            "id": task,
            "status": self.words[task],
            "message": "",
            "create_time": int(time.time() * 1000) - 5000,
            "update_time": int(time.time() * 1000),
            "external_id": self.externals.get(task, ""),
            "outputs": [],
            "billing": [],
        }

    async def read_again(self, times: int = 3) -> None:
        """Wait until there were so many calls more: by then what the earlier ones found has been thought over."""
        before = len(self.calls)
        async with asyncio.timeout(30):
            while len(self.calls) < before + times:
                await asyncio.sleep(0.01)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.calls.append((request.method, request.path_qs))
        self.at.append(time.time())
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            if self.slowness:
                await asyncio.sleep(self.slowness)
            return await self._answer(request)
        finally:
            self.at_once -= 1

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Authorization", "").removeprefix("Bearer ") not in self.keys:
            return error(401, 1002, "api key not found")
        if (fault := self.fault(request)) is not None:
            return fault
        if request.method == "GET" and request.path in ("/tasks", "/solutions"):
            ids = request.query.get("task_ids", "").split(",")
            by_external = set(request.query.get("external_task_ids", "").split(",")) - {""}
            found = [
                task for task in self.words if task in ids or self.externals.get(task, "?") in by_external
            ]
            return ok([self._task(task) for task in found])
        if request.method == "POST" and request.path == "/tasks":
            wanted = (await request.json()).get("filters") or []
            words = next((f["values"] for f in wanted if f["key"] == "status"), None)
            tasks = [self._task(task) for task, word in self.words.items() if words is None or word in words]
            return ok({"result": tasks, "count": len(tasks), "has_more": False})
        if request.path == "/account/costs":
            return ok({"code": 0, "msg": "success", "resource_pack_subscribe_infos": self.packs})
        if request.path.startswith("/v1/videos/"):
            task = request.path.rpartition("/")[2]
            if task not in self.words:
                return error(400, 1201, f"Task not found by id/external id: {task}")
            return ok({"task_id": task, "task_status": self.words[task], "task_result": {"videos": []}})
        return web.Response(status=404, text="<html>no such page</html>", content_type="text/html")


def ok(data: Any) -> web.Response:
    return web.json_response({"code": 0, "message": "SUCCEED", "request_id": "r", "data": data})


def error(status: int, code: int, message: str, **headers: str) -> web.Response:
    return web.json_response(
        {"code": code, "message": message, "request_id": "r"}, status=status, headers=headers
    )


@asynccontextmanager
async def serving(handler: Callable[[web.Request], Any]) -> AsyncIterator[str]:
    """The base address of an HTTP server that answers everything by ``handler``."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server = site._server
    assert isinstance(server, asyncio.Server)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        await runner.cleanup()


class World:
    """Kling with limits, workers that take their time, and one queue, on a clock of its own.

    Every job posts once; who is refused queues and posts again when it is woken, as the operators do.
    """

    def __init__(
        self,
        seed: int,
        limits: dict[str, int],
        *,
        given: int | None,
        render: dict[str, float] | float = 30.0,
        wake: tuple[float, float] = (1.5, 3.5),
        back: tuple[float, float] = (0.5, 1.5),
        lists: bool = True,
        external_ids: bool = True,
        stolen: float = 0.0,
        spread: float = 0.1,
    ) -> None:
        self.random = random.Random(seed)
        self.limits, self.given, self.render = limits, given, render
        self.wake, self.back, self.lists, self.external_ids = wake, back, lists, external_ids
        #: How often a woken task never posts: paused, killed, its pool closed.
        self.stolen = stolen
        #: A render takes so much less or more than it should.
        self.spread = spread
        self.queue = ConcurrencyQueue()
        self.now = 0.0
        self.in_flight: dict[str, str] = {}
        self.posts = 0
        self.made: list[tuple[float, str, str]] = []
        self.granted: list[Entry] = []
        self.taken_after: list[float] = []
        #: Seconds that early workers waited for their places, and how many of them gave up.
        self.waited: list[float] = []
        self.gave_back = 0
        #: Checked after every tick.
        self.check: Callable[[World, list[Grant]], None] = lambda world, granted: None
        #: Woken for a place that was free, and not yet at the POST.
        self.woken: set[str] = set()
        #: Woken for a place that was not free yet, and not yet at the POST.
        self.early: set[str] = set()
        self._made_at: dict[str, float] = {}
        self._waiting: dict[str, Entry] = {}
        self._gone: set[str] = set()
        self._free: dict[str, list[float]] = {}
        self._agenda: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._count = itertools.count()

    def run(self, jobs: list[tuple[float, str, str, str]], *, restart_at: float | None = None) -> World:
        """``jobs``: when, name, model, DAG."""
        self._wanted = {name for _, name, _, _ in jobs}
        for at, name, model, dag in jobs:
            self._at(at, self._post, name, model, dag, None)
        if restart_at is not None:
            self._at(restart_at, self._restart)
        self._at(2.0, self._tick)
        while self._agenda and self._open() and self.now < 50_000:
            self.now, _, act, args = heapq.heappop(self._agenda)
            act(*args)
        return self

    def unfinished(self) -> set[str]:
        return self._wanted - {name for _, name, _ in self.made} - self._gone

    def _open(self) -> bool:
        return bool(self.unfinished())

    def _at(self, at: float, act: Callable[..., None], *args: Any) -> None:
        heapq.heappush(self._agenda, (at, next(self._count), act, args))

    def _post(self, name: str, model: str, dag: str, queued_at: float | None) -> None:
        self.posts += 1
        self.woken.discard(name)
        self.early.discard(name)
        if sum(other == model for other in self.in_flight.values()) < self.limits[model]:
            self.in_flight[name] = model
            self._made_at[name] = self.now
            self.made.append((self.now, name, dag))
            if free := self._free.get(model):
                self.taken_after.append(self.now - free.pop(0))
            length = self.render[model] if isinstance(self.render, dict) else self.render
            self._at(
                self.now + length * self.random.uniform(1 - self.spread, 1 + self.spread), self._end, name
            )
            return
        entry = Entry(
            ticket=name,
            external_task_id=name if self.external_ids else None,
            model=model,
            dag_id=dag,
            queued_at=self.now if queued_at is None else queued_at,
            not_before=self.now + 10,
        )
        self._at(self.now + self.random.uniform(*self.back), self._join, entry)

    def _arrive(self, grant: Grant, arrived: float) -> None:
        """As workers do: an early one looks at its tasks until enough have ended, or its patience has."""
        entry, waited = grant.entry, self.now - arrived
        free = sum(takes for name, takes in grant.watch.items() if name not in self.in_flight)
        if free < grant.needed and waited < PATIENCE:
            self._at(self.now + 0.5, self._arrive, grant, arrived)
            return
        if grant.is_early:
            self.waited.append(waited)
        if free >= grant.needed or free > 0:
            self._post(entry.ticket, entry.model, entry.dag_id, entry.queued_at)
            return
        self.gave_back += 1
        self.early.discard(entry.ticket)
        back = replace(entry, not_before=self.now + 10, full=False, worker_start=arrived - grant.at)
        self._at(self.now + self.random.uniform(*self.back), self._join, back)

    def _end(self, name: str) -> None:
        self._free.setdefault(self.in_flight.pop(name), []).append(self.now)

    def _join(self, entry: Entry) -> None:
        self._waiting[entry.ticket] = entry
        self.queue.add_entry(entry, self.now)

    def _restart(self) -> None:
        """The triggerer dies; another brings the triggers back in no order."""
        self.queue = ConcurrencyQueue()
        back = list(self._waiting.values())
        self.random.shuffle(back)
        self._waiting.clear()
        for entry in back:
            self._at(self.now + self.random.uniform(5, 6), self._join, entry)

    def _tick(self) -> None:
        running = [
            Running(
                name,
                external_task_id=name if self.external_ids else None,
                model=None if self.lists else model,
                made_at=self._made_at[name],
            )
            for name, model in self.in_flight.items()
        ]
        known = {name for _, name, _ in self.made} if self.external_ids else set()
        granted = self.queue.grant_capacity(
            self.now, running, limit=self.given, exist=known, complete=self.lists
        )
        for grant in granted:
            entry = grant.entry
            del self._waiting[entry.ticket]
            self.granted.append(entry)
            if self.random.random() < self.stolen:
                self._gone.add(entry.ticket)
                continue
            (self.early if grant.is_early else self.woken).add(entry.ticket)
            later = self.now + self.random.uniform(*self.wake)
            self._at(later, self._arrive, grant, later)
        self.check(self, granted)
        self._at(self.now + 2.0, self._tick)

# SPDX-License-Identifier: Apache-2.0
"""Hosts that speak Kling's protocol until it comes to a read: then one floods, and one lists for ever."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable
from functools import cache
from http.server import BaseHTTPRequestHandler
from itertools import count
from typing import Any

from tests.contract.connecting import say

Answer = Callable[[BaseHTTPRequestHandler], None]


@cache
def bomb() -> bytes:
    """300 kB of gzip, which are 200 MB of JSON."""
    packer = zlib.compressobj(6, wbits=31)
    parts = [packer.compress(b'{"code":0,"message":"')]
    parts += [packer.compress(b"?a=b&" * 1_000_000) for _ in range(40)]
    parts += [packer.compress(b'","data":[]}'), packer.flush()]
    return b"".join(parts)


def flood(request: BaseHTTPRequestHandler) -> None:
    """Make a task for every create, and answer every read with the flood."""
    if request.command == "POST" and request.path != "/tasks":
        say(request, 200, {"code": 0, "data": _task("flooded")})
    else:
        say(request, 200, bomb(), Content_Encoding="gzip")


def endless_list() -> Answer:
    """Have no room for a create, and a further page to every page of what is in flight."""
    numbers = count()

    def answer(request: BaseHTTPRequestHandler) -> None:
        if request.command == "POST" and request.path != "/tasks":
            say(request, 429, {"code": 1303, "message": "parallel task over resource pack limit"})
        elif request.path == "/tasks":
            page = {"result": [_task(str(next(numbers)))], "count": 1, "has_more": True}
            say(request, 200, {"code": 0, "data": {**page, "next_cursor": f"c{next(numbers)}"}})
        else:
            say(request, 200, {"code": 0, "data": []})

    return answer


def _task(kling_task_id: str) -> dict[str, Any]:
    now = int(time.time() * 1000)
    return {"id": kling_task_id, "status": "processing", "create_time": now, "update_time": now}

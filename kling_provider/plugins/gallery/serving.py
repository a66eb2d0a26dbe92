# SPDX-License-Identifier: Apache-2.0
"""Serve an open file: whole or in one range, from the descriptor that was checked."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from urllib.parse import quote

from fastapi import Request
from fastapi.responses import Response, StreamingResponse
from starlette.concurrency import run_in_threadpool

from kling_provider.plugins.gallery.opening import OpenFile

_CHUNK = 256 * 1024
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)
_HEADERS = {
    "Cache-Control": "private, no-cache",  # a user who lost access must not find it in the browser's cache
    "X-Content-Type-Options": "nosniff",
    # The browser's own page around a video or image may show it, and nothing else.
    "Content-Security-Policy": "default-src 'none'; media-src 'self'; img-src 'self'; style-src 'unsafe-inline'",
    "Accept-Ranges": "bytes",
}


def answer_file(
    request: Request, file: OpenFile, *, media_type: str, etag: str, name: str, download: bool = False
) -> Response:
    """Answer a GET or HEAD with the file: 200, 206 for a range, 304 or 416.

    :param etag: a text that changes with the bytes.
    :param name: the name of the file when a user saves it.
    :param download: whether the browser saves the file instead of showing it.
    """
    headers = {
        **_HEADERS,
        "ETag": f'"{etag}"',
        "Content-Disposition": f"{'attachment' if download else 'inline'}; filename*=UTF-8''{quote(name, safe='')}",
    }
    if request.headers.get("If-None-Match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    start, end, status = 0, file.size - 1, 200
    if request.headers.get("If-Range") in (None, headers["ETag"]):
        wanted = _find_range(request.headers.get("Range", ""), file.size)
        if wanted == (0, -1):
            return Response(status_code=416, headers={**headers, "Content-Range": f"bytes */{file.size}"})
        if wanted is not None:
            (start, end), status = wanted, 206
            headers["Content-Range"] = f"bytes {start}-{end}/{file.size}"
    headers["Content-Length"] = str(end - start + 1)
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers, media_type=media_type)
    return StreamingResponse(_read_chunks(file, start, end + 1), status, headers, media_type)


def _find_range(header: str, size: int) -> tuple[int, int] | None:
    """Return the first and last byte of a range: ``(0, -1)`` for none, ``None`` for the whole file or several ranges."""
    if not (found := _RANGE.fullmatch(header.replace(" ", ""))) or found.groups() == ("", ""):
        return None
    first, last = found.groups()
    if not first:
        start, end = max(0, size - int(last)), size - 1
    else:
        start, end = int(first), min(int(last or size), size - 1)
        if last and int(last) < start:
            return None
    return (start, end) if start <= end else (0, -1)


async def _read_chunks(file: OpenFile, start: int, end: int) -> AsyncIterator[bytes]:
    try:
        while start < end and (chunk := await run_in_threadpool(file.read, min(_CHUNK, end - start), start)):
            start += len(chunk)
            yield chunk
    finally:
        file.close()

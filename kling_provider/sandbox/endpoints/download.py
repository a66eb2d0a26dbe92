# SPDX-License-Identifier: Apache-2.0
"""The host of the films: signed links, ranges, and a refusal in the manner of a content network."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

from kling_provider.sandbox.endpoints.base import Endpoint
from kling_provider.sandbox.http.messages import Response
from kling_provider.sandbox.state.faults import Attributes
from kling_provider.sandbox.state.tasks import Task

FILM = re.compile(r"/files/(?P<task>\d+)/(?P<output>\d+)(?P<mark>-watermark)?\.mp4")
RANGE = re.compile(r"bytes=(\d*)-(\d*)")


class Download(Endpoint):
    """``GET /files/{task}/{output}.mp4?Expires=…&Signature=…``; needs no key."""

    operation = "download"

    def _task(self) -> Task | None:
        match = FILM.fullmatch(self.request.path)
        task = self.app.backend.task(match["task"]) if match else None
        return task if match and task and task.output_id == match["output"] else None

    def subjects(self) -> Sequence[Attributes]:
        task = self._task()
        return [task.attributes()] if task else []

    def run(self) -> Response:
        now = self.app.backend.settle()
        wrong = self.app.signer.check(self.request.path, self.request.query, now)
        if wrong is not None:
            return _xml(403, wrong)
        task = self._task()
        if task is None or task.state(now) != "succeeded":
            return _xml(404, "NoSuchKey")
        self.note.external_task_id, self.note.model = task.request.external_id, task.request.model
        film = self.app.media.open(task, watermark="-watermark" in self.request.path)
        size = os.fstat(film.fileno()).st_size
        answer = Response(file=film, content_type="video/mp4", headers=[("Accept-Ranges", "bytes")])
        answer.headers.append(("ETag", f'"{task.output_id}"'))
        wanted = self.request.header("Range")
        match = RANGE.fullmatch(wanted) if wanted else None
        if match is None or match.groups() == ("", ""):
            return answer
        first, last = _span(match[1], match[2], size)
        if first >= size or first > last:
            film.close()
            return Response(
                status=416, headers=[("Content-Range", f"bytes */{size}")], content_type="text/plain"
            )
        answer.status, answer.span = 206, (first, last)
        answer.headers.append(("Content-Range", f"bytes {first}-{last}/{size}"))
        return answer


def _span(first: str, last: str, size: int) -> tuple[int, int]:
    if not first:  # the last n bytes
        return max(0, size - int(last)), size - 1
    return int(first), min(int(last), size - 1) if last else size - 1


def _xml(status: int, code: str) -> Response:
    text = (
        f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code><Message>{code}</Message></Error>'
    )
    return Response(status=status, body=text.encode(), content_type="application/xml")

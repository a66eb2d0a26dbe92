# SPDX-License-Identifier: Apache-2.0
"""The host of the films: signed links, ranges, and a refusal in the manner of a content network."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

from kling_provider.sandbox.faults import Facets
from kling_provider.sandbox.tasks import Task
from kling_provider.sandbox.wire import Answer
from kling_provider.sandbox.work import Work

FILM = re.compile(r"/files/(?P<task>\d+)/(?P<output>\d+)(?P<mark>-watermark)?\.mp4")
RANGE = re.compile(r"bytes=(\d*)-(\d*)")


class Download(Work):
    """``GET /files/{task}/{output}.mp4?Expires=…&Signature=…``; needs no key."""

    operation = "download"

    def _task(self) -> Task | None:
        match = FILM.fullmatch(self.request.path)
        task = self.app.world.task(match["task"]) if match else None
        return task if match and task and task.output_id == match["output"] else None

    def subjects(self) -> Sequence[Facets]:
        task = self._task()
        return [task.facets()] if task else []

    def run(self) -> Answer:
        now = self.app.world.settle()
        wrong = self.app.signer.check(self.request.path, self.request.query, now)
        if wrong is not None:
            return _xml(403, wrong)
        task = self._task()
        if task is None or task.state(now) != "succeeded":
            return _xml(404, "NoSuchKey")
        self.note.external_task_id, self.note.model = task.order.external_id, task.order.model
        film = self.app.films.open(task, watermark="-watermark" in self.request.path)
        size = os.fstat(film.fileno()).st_size
        answer = Answer(file=film, content_type="video/mp4", headers=[("Accept-Ranges", "bytes")])
        answer.headers.append(("ETag", f'"{task.output_id}"'))
        wanted = self.request.header("Range")
        match = RANGE.fullmatch(wanted) if wanted else None
        if match is None or match.groups() == ("", ""):
            return answer
        first, last = _span(match[1], match[2], size)
        if first >= size or first > last:
            film.close()
            return Answer(
                status=416, headers=[("Content-Range", f"bytes */{size}")], content_type="text/plain"
            )
        answer.status, answer.span = 206, (first, last)
        answer.headers.append(("Content-Range", f"bytes {first}-{last}/{size}"))
        return answer


def _span(first: str, last: str, size: int) -> tuple[int, int]:
    if not first:  # the last n bytes
        return max(0, size - int(last)), size - 1
    return int(first), min(int(last), size - 1) if last else size - 1


def _xml(status: int, code: str) -> Answer:
    text = (
        f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code><Message>{code}</Message></Error>'
    )
    return Answer(status=status, body=text.encode(), content_type="application/xml")

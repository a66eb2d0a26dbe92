# SPDX-License-Identifier: Apache-2.0
"""The host of the media: signed links, ranges, and a refusal in the manner of a content network."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from kling_provider.sandbox.endpoints.base import Endpoint
from kling_provider.sandbox.http.messages import Request, Response
from kling_provider.sandbox.state.faults import Attributes

if TYPE_CHECKING:
    from kling_provider.sandbox.app import App

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)


class MediaDownload(Endpoint):
    """``GET /files/{task}/{name}?Expires=…&Signature=…``; needs no key."""

    operation = "download"

    def __init__(self, app: App, request: Request, route: str, *, task: str, file: str) -> None:
        super().__init__(app, request, route)
        self.task = app.find_task(task)
        self.link = app.get_product(self.task).find_link(self.task, file) if self.task else None

    def list_subjects(self) -> Sequence[Attributes]:
        """Return the attributes of the task whose file this is; none for an unknown file."""
        return [self.task.list_attributes()] if self.task and self.link else []

    def run_operation(self) -> Response:
        """Send the file or the asked range of it (206); refuse with XML, as a content network does (403, 404, 416)."""
        now = self.app.backend.settle_tasks()
        wrong = self.app.signer.check_link(self.request.path, self.request.query, now)
        if wrong is not None:
            return _build_xml_error(403, wrong)
        task, link = self.task, self.link
        if task is None or link is None or task.get_state(now) != "succeeded":
            return _build_xml_error(404, "NoSuchKey")
        self.note.external_task_id, self.note.model = task.request.external_id, task.request.model
        file = self.app.media.open_file(f"{task.id}-{link.name}", link.media)
        size = os.fstat(file.fileno()).st_size
        answer = Response(
            file=file, content_type=link.media.content_type, headers=[("Accept-Ranges", "bytes")]
        )
        answer.headers.append(("ETag", f'"{link.name}"'))
        wanted = self.request.get_header("Range")
        match = _RANGE.fullmatch(wanted) if wanted else None
        if match is None or match.groups() == ("", ""):
            return answer
        first, last = _read_span(match[1], match[2], size)
        if first >= size or first > last:
            file.close()
            return Response(
                status=416, headers=[("Content-Range", f"bytes */{size}")], content_type="text/plain"
            )
        answer.status, answer.span = 206, (first, last)
        answer.headers.append(("Content-Range", f"bytes {first}-{last}/{size}"))
        return answer


def _read_span(first: str, last: str, size: int) -> tuple[int, int]:
    """Read the first and last byte of a range of a file of ``size`` bytes."""
    if not first:  # the last n bytes
        return max(0, size - int(last)), size - 1
    return int(first), min(int(last), size - 1) if last else size - 1


def _build_xml_error(status: int, code: str) -> Response:
    text = (
        f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code><Message>{code}</Message></Error>'
    )
    return Response(status=status, body=text.encode(), content_type="application/xml")

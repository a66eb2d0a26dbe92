# SPDX-License-Identifier: Apache-2.0
"""The faces of a video, and the session in which one of them can be made to speak.

How many there are is told by the prompt of the video or the query of its URL
(:func:`~kling_provider.sandbox.media.sources.count_faces`); a video without a face has an empty list.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from kling_provider.sandbox.http.fields import Fields
from kling_provider.sandbox.media.derived import FrameFile
from kling_provider.sandbox.media.limits import FACE_VIDEO
from kling_provider.sandbox.media.sources import Source
from kling_provider.sandbox.products.derived import ToolProduct, check_one, find_video, get_source
from kling_provider.sandbox.products.library import Library
from kling_provider.sandbox.products.outputs import Link, Sign
from kling_provider.sandbox.state.tasks import CreateRequest, Dialect, Task

IDENTIFY_FACE = "identify-face"


class IdentifyFaceProduct(ToolProduct):
    """``POST /v1/videos/identify-face``; the session is open for 24 hours."""

    name = IDENTIFY_FACE
    legacy_path = "/v1/videos/identify-face"

    def check_body(self, dialect: Dialect, body: object, *, model: str, lenient: bool) -> CreateRequest:
        """Check a body."""
        fields = Fields(body)
        check_one(fields, "video_id", "video_url")
        return CreateRequest(
            dialect=dialect, product=self.name, model=self.name, model_name=self.name, body=fields.raw
        )

    def resolve_inputs(self, request: CreateRequest, library: Library) -> CreateRequest:
        """Find the video; what is wrong with it is refused, as the answer is there at once."""
        source, _ = find_video(Fields(request.body), library, FACE_VIDEO, at_once=True)
        return replace(request, settings={"source": source.to_json()})

    def compute_price(self, request: CreateRequest) -> Decimal:
        """Return the price of a call."""
        return Decimal("0.05")

    def list_other_links(self, task: Task) -> Sequence[Link]:
        """Return a still of each face."""
        source = get_source(task.request)
        assert source is not None
        links = []
        for number, (start, end) in enumerate(list_intervals(source)):
            left = (number + 0.5) / (source.faces + 1)
            moment = min((start + end) / 2000, source.seconds / 2)
            still = FrameFile(
                source=source, seconds=moment, box=(left, 0.2, left + 1 / (source.faces + 1), 0.7)
            )
            links.append(Link(f"face-{number}.png", still))
        return links

    def build_answer(self, task: Task, sign: Sign) -> dict[str, Any]:
        """Return the session and the faces."""
        source = get_source(task.request)
        assert source is not None
        faces = [
            {
                "face_id": str(number),
                "face_image": sign(task, f"face-{number}.png"),
                "start_time": start,
                "end_time": end,
            }
            for number, (start, end) in enumerate(list_intervals(source))
        ]
        return {"session_id": task.output_ids[0], "face_data": faces}


def list_intervals(video: Source) -> list[tuple[int, int]]:
    """List when each face is seen, in milliseconds: the first always, a second not at once, a third not to the end."""
    whole = video.milliseconds
    spans = [(0, whole), (whole // 4, whole), (0, whole * 3 // 4)]
    return [spans[number % 3] for number in range(video.faces)]

# SPDX-License-Identifier: Apache-2.0
"""What is marked in a video before it is edited: the session and its five tools, each answered at once.

A session is the task of its ``init-selection``, and what is marked in it follows from the tasks of the other tools:
so both outlive a restart as tasks do, and belong to the account. What the calls cost is not known; they are free here.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from kling_provider.sandbox.http.errors import InvalidParameter
from kling_provider.sandbox.http.fields import Fields
from kling_provider.sandbox.media import masks
from kling_provider.sandbox.media.derived import CopiedFile, EditedVideo, FrameFile
from kling_provider.sandbox.media.files import FRAME_RATE
from kling_provider.sandbox.media.limits import MULTI_ELEMENTS_VIDEO
from kling_provider.sandbox.media.sources import Source
from kling_provider.sandbox.products.derived import (
    ToolProduct,
    check_one,
    get_source,
    read_required,
)
from kling_provider.sandbox.products.library import Library
from kling_provider.sandbox.products.outputs import Link, Sign
from kling_provider.sandbox.state.tasks import CreateRequest, Dialect, Task

_PATH = "/v1/videos/multi-elements"
_INIT, _ADD, _DELETE, _CLEAR = (
    "multi-elements-init",
    "multi-elements-add",
    "multi-elements-delete",
    "multi-elements-clear",
)
_MOST_FRAMES, _MOST_POINTS = 10, 10
Marks = Mapping[int, Sequence[Sequence[float]]]
"""Index of a frame -> points (x, y) as shares of the sides."""


def find_session(library: Library, session_id: str) -> tuple[Source, dict[int, list[list[float]]]]:
    """Return the video of a session, and what is marked in it.

    :raises InvalidParameter: no such session is open in the account.
    """
    session = library.find_session(_INIT, session_id)
    source = get_source(session.request)
    if source is None or session.request.settings["status"]:
        raise InvalidParameter("session_id is invalid or expired")
    marked: dict[int, list[list[float]]] = {}
    for task in reversed(list(library.list_tasks(_ADD, _DELETE, _CLEAR))):
        settings = task.request.settings
        if settings["session_id"] != session_id:
            continue
        if task.request.product == _CLEAR:
            marked.clear()
            continue
        points = marked.setdefault(settings["frame_index"], [])
        for point in settings["points"]:
            if task.request.product == _ADD:
                points.append(point)
            else:
                points.remove(point)
        if not points:
            del marked[settings["frame_index"]]
    return source, marked


def _count_frames(source: Source) -> int:
    """Return how many frames a video has."""
    return round(source.seconds * FRAME_RATE)


def list_shapes(source: Source, marked: Marks) -> tuple[masks.Shape, ...]:
    """Return the shapes around all points that are marked."""
    points = [(x, y) for _, found in sorted(marked.items()) for x, y in found]
    return masks.mark_points(points, source.width, source.height)


class MultiElementsInitProduct(ToolProduct):
    """``POST …/init-selection``: a session of 24 hours for a video.

    A video outside of the limits, or one that cannot be had, is answered with ``status`` 1 and no session.
    """

    name = _INIT
    legacy_path = f"{_PATH}/init-selection"

    def check_body(self, dialect: Dialect, body: object, *, model: str, lenient: bool) -> CreateRequest:
        """Check a body."""
        fields = Fields(body)
        check_one(fields, "video_id", "video_url")
        return CreateRequest(
            dialect=dialect, product=self.name, model=self.name, model_name=self.name, body=fields.raw
        )

    def resolve_inputs(self, request: CreateRequest, library: Library) -> CreateRequest:
        """Find the video."""
        fields = Fields(request.body)
        key = check_one(fields, "video_id", "video_url")
        value = read_required(fields, key)
        source = library.find_video(value) if key == "video_id" else library.read_video(value)
        status = int(MULTI_ELEMENTS_VIDEO.find_fault(source) is not None)
        return replace(request, settings={"source": source.to_json(), "status": status})

    def list_other_links(self, task: Task) -> Sequence[Link]:
        """Return the video as it will be edited."""
        source = get_source(task.request)
        assert source is not None
        return () if task.request.settings["status"] else (Link("normalized.mp4", CopiedFile(source=source)),)

    def build_answer(self, task: Task, sign: Sign) -> dict[str, Any]:
        """Return the session and the facts of the video."""
        source = get_source(task.request)
        assert source is not None
        if task.request.settings["status"]:
            return {"status": task.request.settings["status"]}
        return {
            "status": 0,
            "session_id": task.output_ids[0],
            "fps": float(FRAME_RATE),
            "original_duration": source.milliseconds,
            "width": source.width,
            "height": source.height,
            "total_frame": _count_frames(source),
            "normalized_video": sign(task, "normalized.mp4"),
        }


class _SessionTool(ToolProduct):
    """A tool that works in a session."""

    def check_body(self, dialect: Dialect, body: object, *, model: str, lenient: bool) -> CreateRequest:
        """Check a body."""
        fields = Fields(body)
        settings = {"session_id": read_required(fields, "session_id"), **self.read_settings(fields)}
        return CreateRequest(
            dialect=dialect,
            product=self.name,
            model=self.name,
            model_name=self.name,
            settings=settings,
            body=fields.raw,
        )

    def read_settings(self, fields: Fields) -> dict[str, Any]:
        """Read what the tool wants beside the session; default: nothing."""
        return {}

    def change_marks(self, settings: Mapping[str, Any], source: Source, marked: dict[int, Any]) -> None:
        """Carry out the call, so that what cannot be done is refused.

        :raises InvalidParameter: it cannot be done.
        """

    def resolve_inputs(self, request: CreateRequest, library: Library) -> CreateRequest:
        """Find the session and keep what is marked in it after the call."""
        settings = request.settings
        source, marked = find_session(library, settings["session_id"])
        self.change_marks(settings, source, marked)
        shown = [[index, points] for index, points in sorted(marked.items())]
        return replace(request, settings={**settings, "source": source.to_json(), "marked": shown})

    def build_answer(self, task: Task, sign: Sign) -> dict[str, Any]:
        """Return status and session."""
        return {"status": 0, "session_id": task.request.settings["session_id"]}


def _get_marked(task: Task) -> tuple[Source, dict[int, list[list[float]]]]:
    source = get_source(task.request)
    assert source is not None
    return source, dict(task.request.settings["marked"])


class _PointsTool(_SessionTool):
    """A tool that adds or deletes points of a frame, and answers with the mask of the frame."""

    def read_settings(self, fields: Fields) -> dict[str, Any]:
        """Read a frame and its points."""
        index = fields.read_integer("frame_index")
        if index is None:
            raise InvalidParameter("frame_index is required")
        points = [Fields(value, f"points[{at}]") for at, value in enumerate(fields.read_list("points"))]
        if not 1 <= len(points) <= _MOST_POINTS:
            raise InvalidParameter(f"points must have 1 to {_MOST_POINTS} points")
        return {
            "frame_index": index,
            "points": [[_read_share(point, axis) for axis in "xy"] for point in points],
        }

    def build_answer(self, task: Task, sign: Sign) -> dict[str, Any]:
        """Return the mask of the frame; an empty list where nothing is marked in it any more."""
        source, marked = _get_marked(task)
        index = task.request.settings["frame_index"]
        found = []
        if index in marked:
            mask = masks.draw_mask(source.width, source.height, list_shapes(source, {index: marked[index]}))
            size = [source.height, source.width]
            png = base64.b64encode(masks.encode_png(mask)).decode()
            found.append(
                {
                    "object_id": 0,
                    "rle_mask": {"size": size, "counts": masks.encode_runs(mask)},
                    "png_mask": {"size": size, "base64": png},
                }
            )
        return {**super().build_answer(task, sign), "res": {"frame_index": index, "rle_mask_list": found}}


def _read_share(point: Fields, axis: str) -> float:
    value = point.read_number(axis)
    if value is None:
        raise InvalidParameter(f"{point.name_field(axis)} is required")
    if not 0 <= value <= 1:
        raise InvalidParameter(f"{point.name_field(axis)} must be between 0 and 1")
    return float(value)


class MultiElementsAddProduct(_PointsTool):
    """``POST …/add-selection``."""

    name = _ADD
    legacy_path = f"{_PATH}/add-selection"

    def change_marks(self, settings: Mapping[str, Any], source: Source, marked: dict[int, Any]) -> None:
        """Add the points."""
        index = settings["frame_index"]
        if not 0 <= index < _count_frames(source):
            raise InvalidParameter(f"frame_index must be between 0 and {_count_frames(source) - 1}")
        if index not in marked and len(marked) >= _MOST_FRAMES:
            raise InvalidParameter(f"at most {_MOST_FRAMES} frames can be marked")
        marked.setdefault(index, []).extend(settings["points"])


class MultiElementsDeleteProduct(_PointsTool):
    """``POST …/delete-selection``: only the very points that were added."""

    name = _DELETE
    legacy_path = f"{_PATH}/delete-selection"

    def change_marks(self, settings: Mapping[str, Any], source: Source, marked: dict[int, Any]) -> None:
        """Delete the points."""
        index = settings["frame_index"]
        points = marked.get(index, [])
        for point in settings["points"]:
            if point not in points:
                raise InvalidParameter("points must be the same as those that were added to the frame")
            points.remove(point)
        if not points:
            del marked[index]


class MultiElementsClearProduct(_SessionTool):
    """``POST …/clear-selection``."""

    name = _CLEAR
    legacy_path = f"{_PATH}/clear-selection"

    def change_marks(self, settings: Mapping[str, Any], source: Source, marked: dict[int, Any]) -> None:
        """Delete all points."""
        marked.clear()


class MultiElementsPreviewProduct(_SessionTool):
    """``POST …/preview-selection``: the video with the marks in it, its first frame, and the marks alone."""

    name = "multi-elements-preview"
    legacy_path = f"{_PATH}/preview-selection"

    def change_marks(self, settings: Mapping[str, Any], source: Source, marked: dict[int, Any]) -> None:
        """Refuse where there is nothing to see."""
        if not marked:
            raise InvalidParameter("nothing is selected in the session")

    def list_other_links(self, task: Task) -> Sequence[Link]:
        """Return the three files."""
        source, marked = _get_marked(task)
        film = EditedVideo(
            source=source, seconds=source.seconds, edit="outline", shapes=list_shapes(source, marked)
        )
        return (
            Link("preview.mp4", film),
            Link("cover.png", FrameFile(source=source)),
            Link("tracking.mp4", replace(film, edit="mask")),
        )

    def build_answer(self, task: Task, sign: Sign) -> dict[str, Any]:
        """Return links to the three files."""
        names = (("video", "preview.mp4"), ("video_cover", "cover.png"), ("tracking_output", "tracking.mp4"))
        return {**super().build_answer(task, sign), "res": {key: sign(task, name) for key, name in names}}

# SPDX-License-Identifier: Apache-2.0
"""The calls that some requests need first: a session that is opened on a video, and what is done in it.

A preparation says which calls these are, and what they make of the request; who sends them is not its business. Calls are
mappings, as users write requests, and are checked like those.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from kling_provider.api.problems import InvalidRequest, Problem
from kling_provider.api.requests.base import KlingRequest
from kling_provider.api.tasks import Output

#: The field that takes the session, in every type that has one.
_SESSION_FIELD = "session_id"


class Preparation(ABC):
    """The calls before the paid call of one type. Each of them is answered at once.

    ``placeholders`` stand, where calls are shown before they are made, for what the first one will give.
    """

    placeholders: ClassVar[Mapping[str, str]] = {_SESSION_FIELD: "(the session_id of the first call)"}

    def is_needed(self, request: KlingRequest) -> bool:
        """Return whether ``request`` lacks a session, which its user may give."""
        return getattr(request, _SESSION_FIELD) is None

    @abstractmethod
    def build_opening(self, request: KlingRequest) -> Mapping[str, Any]:
        """Return the call that opens the session."""

    def list_followers(self, request: KlingRequest, session_id: str) -> list[Mapping[str, Any]]:
        """Return the calls within the session, in their order."""
        return []

    def list_calls(self, request: KlingRequest) -> list[Mapping[str, Any]]:
        """Return all calls, as they are known before any of them is made."""
        return [
            self.build_opening(request),
            *self.list_followers(request, self.placeholders[_SESSION_FIELD]),
        ]

    def show_request(self, request: KlingRequest) -> KlingRequest:
        """Return the request as it will be sent, with placeholders, to be shown."""
        return request.model_copy(update=dict(self.placeholders))

    @abstractmethod
    def complete_request(self, request: KlingRequest, session: Output) -> KlingRequest:
        """Return the request with what the opening call gave.

        :raises InvalidRequest: where a choice is missing or wrong; the message lists what there is.
        """

    @staticmethod
    def _take_video(request: KlingRequest) -> dict[str, Any]:
        names = ("video", "video_id")
        return {name: value for name in names if (value := getattr(request, name)) is not None}


class FaceRecognition(Preparation):
    """The faces of the video are recognised, and the chosen one, or the only one, is taken."""

    placeholders: ClassVar[Mapping[str, str]] = {
        **Preparation.placeholders,
        "face_id": "(the face_id of the chosen face)",
    }

    def build_opening(self, request: KlingRequest) -> Mapping[str, Any]:
        """Return the call that recognises the faces."""
        return {"type": "identify_face", **self._take_video(request)}

    def complete_request(self, request: KlingRequest, session: Output) -> KlingRequest:
        """Return the request with session and face.

        :raises InvalidRequest: without a face, with several and no choice, with a number that no face has, and where the
            sound misses the face.
        """
        faces = list((session.details or {}).get("faces") or ())
        number = getattr(request, "face", None)
        if not faces:
            where = "video" if getattr(request, "video", None) is not None else "video_id"
            raise InvalidRequest([Problem(where, None, "must show a face: Kling recognises none in it")])
        if number is None and len(faces) > 1:
            raise InvalidRequest(
                [Problem("face", None, f"must be given: {self._list_faces(faces, session)}")]
            )
        if number is not None and number > len(faces):
            wrong = f"must be the number of a face: {self._list_faces(faces, session)}"
            raise InvalidRequest([Problem("face", number, wrong)])
        face = faces[(number or 1) - 1]
        begin, end = (_read_milliseconds(face.get(name)) for name in ("start_time", "end_time"))
        if begin is not None and end is not None:
            problems = request.find_problems_with_face(begin, end)  # type: ignore[attr-defined]
            if problems:
                raise InvalidRequest(problems)
        return request.model_copy(update={_SESSION_FIELD: session.id, "face_id": face.get("face_id")})

    @staticmethod
    def _list_faces(faces: list[Mapping[str, Any]], session: Output) -> str:
        shown = "; ".join(
            f"{number} (face_id {face.get('face_id')}, seen from {face.get('start_time')} to {face.get('end_time')} ms)"
            for number, face in enumerate(faces, 1)
        )
        many = "1 face" if len(faces) == 1 else f"{len(faces)} faces"
        return (
            f"the video has {many}: {shown}. Write face: with one of these numbers, and clear the task: this session "
            f"({session.id}) is kept and not paid again while it lives"
        )


class ElementSelection(Preparation):
    """A session is opened on the video, and the points of each frame are marked in it."""

    def build_opening(self, request: KlingRequest) -> Mapping[str, Any]:
        """Return the call that opens the session."""
        return {"type": "multi_elements_init", **self._take_video(request)}

    def list_followers(self, request: KlingRequest, session_id: str) -> list[Mapping[str, Any]]:
        """Return one call for each frame in which something is marked."""
        return [
            {
                "type": "multi_elements_add",
                _SESSION_FIELD: session_id,
                "frame_index": one.frame_index,
                "points": [point.model_dump() for point in one.points],
            }
            for one in getattr(request, "selections", ())
        ]

    def complete_request(self, request: KlingRequest, session: Output) -> KlingRequest:
        """Return the request with the session."""
        return request.model_copy(update={_SESSION_FIELD: session.id})


def _read_milliseconds(value: Any) -> int | None:
    try:
        return int(value)
    except (TypeError, ValueError):
        return None

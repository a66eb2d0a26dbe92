# SPDX-License-Identifier: Apache-2.0
"""Types whose answer is the result: what a good answer holds, and what an answer without a result says."""

from __future__ import annotations

from typing import Any

import pytest

from kling_provider.api.catalog import all_specs
from kling_provider.api.requests.at_once import AnsweredAtOnce, AnswerWithoutResult
from kling_provider.api.requests.faces import IdentifyFace, ImageRecognize
from kling_provider.api.requests.video_edit import (
    MultiElementsAdd,
    MultiElementsClear,
    MultiElementsInit,
    MultiElementsPreview,
)


def test_the_row_and_the_class_agree() -> None:
    for spec in all_specs():
        assert issubclass(spec.request_class, AnsweredAtOnce) == spec.is_answered_at_once
        if spec.is_answered_at_once:
            assert not spec.external_ids
            assert not spec.callbacks
            assert {"callback_url", "external_task_id"} <= spec.request_class.without


@pytest.mark.parametrize(
    ("cls", "data", "said"),
    [
        (IdentifyFace, None, "names no session"),
        (IdentifyFace, [], "names no session"),
        (IdentifyFace, {"session_id": "", "face_data": []}, "names no session"),
        (ImageRecognize, {}, "lists no segments"),
        (ImageRecognize, {"task_result": {"images": []}}, "lists no segments"),
        (MultiElementsInit, {"status": 3, "session_id": "s"}, "Kling refused it: status 3"),
        (MultiElementsInit, {"status": 0}, "names no session"),
        (MultiElementsInit, "", "names no session"),
        (MultiElementsPreview, {"status": 0, "session_id": "s", "res": {}}, "has no preview"),
    ],
)
def test_an_answer_without_a_result(cls: type[AnsweredAtOnce], data: Any, said: str) -> None:
    with pytest.raises(AnswerWithoutResult, match=said):
        cls.read_outputs(data)


def test_a_video_without_faces_is_a_result() -> None:
    (session,) = IdentifyFace.read_outputs({"session_id": "s-1", "face_data": []})
    assert (session.id, session.details) == ("s-1", {"faces": []})


def test_a_segment_that_is_not_there_has_no_file() -> None:
    images = [
        {"type": "face_seg", "is_contain": False, "url": ""},
        {"type": "object_seg", "is_contain": True, "url": "https://example.org/o.png"},
    ]
    found = ImageRecognize.read_outputs({"task_result": {"images": images}})
    assert [(one.type, one.url) for one in found] == [
        ("segment", None),
        ("image", "https://example.org/o.png"),
    ]
    assert [one.details for one in found] == [
        {"segment": "face_seg", "is_contain": False},
        {"segment": "object_seg", "is_contain": True},
    ]


def test_steps_of_a_session() -> None:
    (cleared,) = MultiElementsClear.read_outputs({"status": 0, "session_id": "s-1"})
    assert (cleared.type, cleared.id, cleared.details) == ("session", "s-1", None)
    (nothing,) = MultiElementsAdd.read_outputs({"status": 0, "session_id": "s-1", "res": {"frame_index": 2}})
    assert nothing.details == {"frame_index": 2, "masks": []}


def test_links_and_faces_stay_out_of_logs() -> None:
    face = {"face_id": "0", "face_image": "https://signed.example/face.png", "start_time": 0, "end_time": 1}
    (session,) = IdentifyFace.read_outputs({"session_id": "s-1", "face_data": [face]})
    assert "signed.example" not in repr(session)

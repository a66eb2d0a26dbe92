# SPDX-License-Identifier: Apache-2.0
"""The checks of the recordings of faces, lip-sync, recognition and multi-elements: answers that are results at once."""

from __future__ import annotations

from kling_provider.api.catalog import find_spec
from kling_provider.api.dialects import DIALECTS
from kling_provider.api.parsing import parse_request
from kling_provider.api.requests.at_once import AnsweredAtOnce
from kling_provider.api.tasks import Output, TaskStatus
from tests.contract.capture_checks import Record, at, check, success, task


def read(type_: str, response: Record) -> tuple[Output, ...]:
    """The outputs of an answer, by the class of its type."""
    spec = find_spec(type_)
    assert spec is not None
    assert issubclass(spec.request_class, AnsweredAtOnce)
    return spec.request_class.read_outputs(success(response).data)


@check("63_doc_identify_face_lip_sync_multi_elements.json")
def _(record: Record) -> None:
    answers = record["records"]
    (session,) = read("identify_face", answers["identify_face"])
    assert (session.type, session.id, session.url) == ("session", "string", None)
    assert session.details == {
        "faces": [{"face_id": "string", "face_image": "url", "start_time": 0, "end_time": 5200}]
    }
    segments = read("image_recognize", answers["image_recognize"])
    assert [(one.type, one.url, one.id) for one in segments] == [("image", "url", None)] * 4
    assert [one.details for one in segments] == [
        {"segment": segment, "is_contain": True}
        for segment in ("object_seg", "head_seg", "face_seg", "cloth_seg")
    ]

    synced = task(answers["advanced_lip_sync_query"])
    assert (synced.status, synced.external_task_id) == (TaskStatus.SUCCEEDED, None)
    assert [(one.type, one.id) for one in synced.outputs] == [("video", "string")], "and not its source"
    assert synced.finished_at == at(1722769557708)

    asked = {key: value for key, value in answers["init_selection_request"].items() if value}
    request = parse_request({"type": "multi_elements_init", **asked})
    assert DIALECTS["legacy"].create(request, None).json == asked
    (opened,) = read("multi_elements_init", answers["init_selection"])
    assert (opened.type, opened.id) == ("session", "id")
    assert opened.details == {
        "fps": 30.0,
        "original_duration": 1000,
        "width": 720,
        "height": 1280,
        "total_frame": 300,
        "normalized_video": "url",
    }
    for type_ in ("multi_elements_add", "multi_elements_delete"):
        (marked,) = read(type_, answers["add_selection"])
        assert (marked.type, marked.id) == ("session", "id")
        assert marked.details == {
            "frame_index": 0,
            "masks": [
                {
                    "object_id": 0,
                    "rle_mask": {"size": [720, 1280], "counts": "string"},
                    "png_mask": {"size": [720, 1280], "base64": "string"},
                }
            ],
        }
    (preview,) = read("multi_elements_preview", answers["preview_selection"])
    assert (preview.type, preview.id, preview.url) == ("video", None, "url")
    assert preview.details == {"session_id": "id", "video_cover": "url", "tracking_output": "url"}
    assert "url" not in repr(preview).replace("url=", "")

# SPDX-License-Identifier: Apache-2.0
"""What answers about sounds, speech, voices and elements are read as, in the forms of both API designs."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from kling_provider.api.dialects.reading import parse_task
from kling_provider.api.requests.at_once import AnswerWithoutResult
from kling_provider.api.requests.audio import Speech
from kling_provider.api.requests.library import OldCustomElement
from kling_provider.api.tasks import Output

LINK = "https://example.org/a.mp3?Signature=c2VjcmV0"


def legacy(**result: Any) -> dict[str, Any]:
    return {"task_id": "1", "task_status": "succeed", "task_status_msg": "", "task_result": result}


def standard(*outputs: dict[str, Any]) -> dict[str, Any]:
    return {"id": "1", "status": "succeeded", "message": "", "outputs": list(outputs)}


@pytest.mark.parametrize(
    ("data", "outputs"),
    [
        (
            legacy(
                audios=[
                    {
                        "id": "7",
                        "url_mp3": LINK,
                        "url_wav": "https://example.org/a.wav",
                        "duration_mp3": "5.5",
                        "duration_wav": "5.5",
                    }
                ]
            ),
            [Output("audio", "7", LINK, duration=5.5)],
        ),
        (
            standard(
                {
                    "type": "audio",
                    "id": "7",
                    "mp3_url": LINK,
                    "wav_url": "https://example.org/a.wav",
                    "mp3_duration": "5.5",
                    "wav_duration": "5.5",
                }
            ),
            [Output("audio", "7", LINK, duration=5.5)],
        ),
        (
            legacy(
                videos=[{"id": "6", "url": "https://example.org/v.mp4", "duration": "5.041"}],
                audios=[{"id": "7", "url_mp3": LINK, "duration_mp3": "5.041"}],
            ),
            [
                Output("video", "6", "https://example.org/v.mp4", duration=5.041),
                Output("audio", "7", LINK, duration=5.041),
            ],
        ),
        (
            legacy(
                voices=[{"voice_id": "9308", "voice_name": "Keeper", "trial_url": LINK, "owned_by": "kling"}]
            ),
            [Output("voice", "9308", LINK, details={"name": "Keeper", "owned_by": "kling"})],
        ),
        (
            standard(
                {
                    "type": "voice",
                    "id": "9308",
                    "name": "Keeper",
                    "url": LINK,
                    "owned_by": "10001",
                    "status": "succeed",
                }
            ),
            [
                Output(
                    "voice",
                    "9308",
                    LINK,
                    details={"name": "Keeper", "owned_by": "10001", "status": "succeed"},
                )
            ],
        ),
        (
            legacy(
                elements=[
                    {
                        "element_id": 321922438904313,
                        "element_name": "Keeper",
                        "element_description": "An old man",
                        "reference_type": "image_refer",
                        "element_image_list": {},
                        "element_voice_info": {"voice_id": "9308", "trial_url": LINK},
                        "owned_by": "10001",
                        "status": "succeed",
                    }
                ]
            ),
            [
                Output(
                    "element",
                    "321922438904313",
                    details={
                        "name": "Keeper",
                        "description": "An old man",
                        "owned_by": "10001",
                        "status": "succeed",
                    },
                )
            ],
        ),
        (
            standard(
                {
                    "type": "element",
                    "id": "321922438904313",
                    "name": "Keeper",
                    "description": "An old man",
                    "element_type": "image_refer",
                    "references": [{"url": LINK}],
                    "owned_by": "10001",
                    "status": "succeed",
                    "tags": ["o_102"],
                }
            ),
            [
                Output(
                    "element",
                    "321922438904313",
                    details={
                        "name": "Keeper",
                        "description": "An old man",
                        "owned_by": "10001",
                        "status": "succeed",
                    },
                )
            ],
        ),
        (standard({"type": "voice", "id": "9308"}), [Output("voice", "9308")]),
    ],
)
def test_outputs_of_both_designs(data: dict[str, Any], outputs: list[Output]) -> None:
    task = parse_task(data)
    assert list(task.outputs) == outputs
    assert "Signature" not in repr(task)


#: As the vendor's page of September 2026 has it, with values.
SPEECH = {
    "task_id": "8672",
    "task_status": "succeed",
    "task_status_msg": "",
    "task_result": {"audios": [{"id": "7", "url": LINK, "duration": "1.8"}]},
    "final_unit_deduction": "0.05",
    "final_balance_deduction": {"quota": "", "list_price": ""},
    "created_at": 1722769557708,
    "updated_at": 1722769557708,
}


def test_speech_is_in_the_answer() -> None:
    assert Speech.read_outputs(SPEECH) == (Output("audio", "7", LINK, duration=1.8),)
    assert [one.amount for one in parse_task(SPEECH).billing] == [Decimal("0.05")]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (
            {**SPEECH, "task_status": "failed", "task_status_msg": "Failure to pass the risk control system"},
            "Failure to pass the risk control system",
        ),
        ({**SPEECH, "task_status": "failed"}, "Kling could not say it, and does not tell why"),
        ({**SPEECH, "task_result": {"audios": []}}, "the response holds no sound"),
        ({**SPEECH, "task_result": {"audios": [{"id": "7"}]}}, "the response holds no sound"),
        (None, "the response holds no task"),
        ({}, "the response names no task id"),
    ],
)
def test_an_answer_without_speech(data: Any, why: str) -> None:
    with pytest.raises(AnswerWithoutResult) as wrong:
        Speech.read_outputs(data)
    assert str(wrong.value) == why


def test_an_older_element_is_in_the_answer() -> None:
    data = {
        "element_id": 7,
        "element_name": "Lamp",
        "element_description": "A brass lamp",
        "element_frontal_image": LINK,
        "element_refer_list": [{"image_url": LINK}],
        "tag_list": [{"id": "o_103", "name": "Object", "description": ""}],
        "owned_by": "10001",
    }
    details = {"name": "Lamp", "description": "A brass lamp", "owned_by": "10001"}
    assert OldCustomElement.read_outputs(data) == (Output("element", "7", details=details),)


@pytest.mark.parametrize("data", [None, [], {}, {"element_name": "Lamp"}, {"element_id": 0}])
def test_an_answer_without_an_element(data: Any) -> None:
    with pytest.raises(AnswerWithoutResult, match="the response names no element"):
        OldCustomElement.read_outputs(data)

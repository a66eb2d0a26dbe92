# SPDX-License-Identifier: Apache-2.0
"""Every file of dags/requests, made by one operator each: what one made goes into others where that shows something."""

from __future__ import annotations

import os
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

from airflow.sdk import DAG, task

from kling_provider.operators.kling import KlingGenerateOperator
from kling_provider.prompts import load_prompts

REQUESTS, VIDEOS = os.environ["KLING_REQUESTS"], os.environ["KLING_VIDEOS"]
#: Which of a type's inputs are made by which types. Where one type is there twice, its outputs are told apart by number.
CHAINS = {
    "image_to_video": {"first_frame": "image_generation"},
    "image_recognize": {"image": "image_generation"},
    "ai_multi_shot": {"image": "image_generation"},
    "custom_element": {
        "frontal_image": "image_generation",
        "reference_images": [("ai_multi_shot", 1), ("ai_multi_shot", 2)],
    },
    "video_extend": {"video_id": "text_to_video"},
    "video_to_audio": {"video": "text_to_video"},
    "identify_face": {"video": "text_to_video"},
    "advanced_lip_sync": {"video": "text_to_video", "sound": "tts"},
    "lip_sync": {"video": "text_to_video"},
    "avatar": {"image": "image_generation", "sound": "tts"},
    "motion_control": {"image": "image_generation", "video": "text_to_video"},
    "custom_voice": {"sound": "tts"},
    "drama_subtitle": {"video": "video_to_audio"},
    "multi_elements": {"video": "text_to_video"},
    "multi_elements_init": {"video": "text_to_video"},
    **{
        f"multi_elements_{tool}": {"session_id": "multi_elements_init"}
        for tool in ("add", "preview", "delete", "clear")
    },
}
#: The tools of one session, one after the other.
TOOLS = ["multi_elements_add", "multi_elements_preview", "multi_elements_delete", "multi_elements_clear"]
TYPES = sorted({file.stem for file in Path(REQUESTS).iterdir()})

with DAG("every_type", schedule=None, default_args={"retries": 3, "retry_delay": timedelta(seconds=2)}):

    @task(multiple_outputs=True)
    def load():
        """One XCom for each type."""
        return {request["type"]: request for request in load_prompts(REQUESTS)}

    requests = load()
    made = {}

    def take(source):
        """The result of another task, or one of its outputs."""
        if isinstance(source, list):
            return [take(one) for one in source]
        if isinstance(source, tuple):
            return {"result": made[source[0]].output, "output": source[1]}
        return made[source].output

    def make(type_):
        if type_ in made:
            return
        chain = CHAINS.get(type_, {})
        for source in chain.values():
            for one in source if isinstance(source, list) else [source]:
                make(one if isinstance(one, str) else one[0])
        made[type_] = KlingGenerateOperator(
            task_id=type_,
            request=requests[type_],
            inputs={field: take(source) for field, source in chain.items()} or None,
            destination=VIDEOS,
            kling_conn_id="kling_every_type",
        )

    for type_ in TYPES:
        make(type_)
    for first, then in pairwise(TOOLS):
        made[first] >> made[then]

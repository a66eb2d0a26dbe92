# SPDX-License-Identifier: Apache-2.0
"""### One character in five shots

A portrait is drawn, then the same person from other sides, and from these images Kling makes an *element*: a character that
looks the same in every video. `shot` makes five videos with it, one mapped task instance each. `@keeper` in a prompt is the
character.

The element stays in your account until you delete it: `airflow kling elements list` lists what is there. With
`pay_once_per="dag"` a second run makes nothing again; change a prompt, and only that shot is made.

*Plan only*, which is on in the form of *Trigger*, shows the request and the price of the portrait and sends nothing. The
other steps are skipped then.
"""

from __future__ import annotations

import os
from datetime import datetime, timedelta

from airflow.configuration import AIRFLOW_HOME
from airflow.providers.common.compat.sdk import AirflowSkipException
from airflow.sdk import DAG, Param

from kling_provider.operators.kling import KlingGenerateOperator

VIDEOS = os.environ.get("KLING_VIDEOS", f"{AIRFLOW_HOME}/kling-videos")
FOLDER = f"{VIDEOS}/character-shots"
SHOTS = {
    "gate": "@keeper opens the iron gate of a lighthouse at dawn",
    "stairs": "@keeper climbs the spiral stairs with a lantern",
    "lamp": "@keeper polishes the great lens, light on his face",
    "gallery": "@keeper leans on the railing, the sea far below, wind in his beard",
    "night": "@keeper falls asleep in a chair beside the stove",
}


def plan_or_pay(context):
    """Do what the form of the run says."""
    context["task"].plan_only = context["params"]["plan_only"]


def pay_or_skip(context):
    """Skip where nothing was made that could be the input."""
    if context["params"]["plan_only"]:
        raise AirflowSkipException("Only planned: there is no result to start from.")


with DAG(
    "kling_character_shots",
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=True,
    default_args={"retries": 3, "retry_delay": timedelta(seconds=30)},
    params={
        "plan_only": Param(
            True,
            type="boolean",
            title="Plan only",
            description="Show requests and prices; send and pay nothing.",
        )
    },
    doc_md=__doc__,
    tags=["kling"],
):
    portrait = KlingGenerateOperator(
        task_id="portrait",
        request={
            "type": "image_generation",
            "name": "portrait",
            "prompt": "An old lighthouse keeper, white beard, yellow oilskin coat, seen from the front, plain background",
            "aspect_ratio": "1:1",
        },
        destination=FOLDER,
        pay_once_per="dag",
        pre_execute=plan_or_pay,
    )
    # Three sets of three images from other sides.
    sides = KlingGenerateOperator(
        task_id="sides",
        request={"type": "ai_multi_shot", "name": "sides"},
        inputs={"image": portrait.output},
        destination=FOLDER,
        pay_once_per="dag",
        pre_execute=pay_or_skip,
    )
    character = KlingGenerateOperator(
        task_id="character",
        request={
            "type": "custom_element",
            "name": "keeper",
            "element_name": "keeper",
            "element_description": "An old lighthouse keeper with a white beard in a yellow oilskin coat",
            "reference_type": "image_refer",
        },
        inputs={
            "frontal_image": portrait.output,
            # The first three of the nine.
            "reference_images": [{"result": sides.output, "output": number} for number in (1, 2, 3)],
        },
        destination=FOLDER,
        pay_once_per="dag",
        pre_execute=pay_or_skip,
    )
    KlingGenerateOperator.partial(
        task_id="shot",
        inputs={"elements": [{"element_id": character.output, "id": "keeper"}]},
        destination=FOLDER,
        pay_once_per="dag",
        map_index_template="{{ task.request.name }}",
        pre_execute=pay_or_skip,
    ).expand(
        request=[
            {"type": "omni_video", "name": name, "prompt": prompt, "duration": 3, "aspect_ratio": "16:9"}
            for name, prompt in SHOTS.items()
        ]
    )

# SPDX-License-Identifier: Apache-2.0
"""### An image, a video of it, and its sound

Each step takes what the one before it made: `image` becomes the first frame of `video`, and `film` is that video with a
sound that fits it. Clear the run as often as you like: nothing is paid again.

*Plan only*, which is on in the form of *Trigger*, shows the request and the price of the image and sends nothing. The
other steps are skipped then, as they have no image to start from.
"""

from __future__ import annotations

import os
from datetime import datetime, timedelta

from airflow.configuration import AIRFLOW_HOME
from airflow.providers.common.compat.sdk import AirflowSkipException
from airflow.sdk import DAG, Param

from kling_provider.operators.kling import KlingGenerateOperator

VIDEOS = os.environ.get("KLING_VIDEOS", f"{AIRFLOW_HOME}/kling-videos")
FOLDER = f"{VIDEOS}/image-video-sound"


def plan_or_pay(context):
    """Do what the form of the run says."""
    context["task"].plan_only = context["params"]["plan_only"]


def pay_or_skip(context):
    """Skip where nothing was made that could be the input."""
    if context["params"]["plan_only"]:
        raise AirflowSkipException("Only planned: there is no result to start from.")


with DAG(
    "kling_image_video_sound",
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    is_paused_upon_creation=True,
    default_args={"retries": 3, "retry_delay": timedelta(seconds=30)},
    params={
        "image": Param(
            "A paper boat on a puddle, studio light",
            type="string",
            format="multiline",
            minLength=1,
            maxLength=2500,
            title="What the image shows",
        ),
        "movement": Param(
            "The boat drifts away, rain begins to fall",
            type="string",
            minLength=1,
            maxLength=2500,
            title="What happens then",
        ),
        "sound": Param("Rain on water", type="string", minLength=1, maxLength=200, title="What is heard"),
        "plan_only": Param(
            True,
            type="boolean",
            title="Plan only",
            description="Show requests and prices; send and pay nothing.",
        ),
    },
    doc_md=__doc__,
    tags=["kling"],
):
    image = KlingGenerateOperator(
        task_id="image",
        request={
            "type": "image_generation",
            "name": "image",
            "prompt": "{{ params.image }}",
            "aspect_ratio": "16:9",
        },
        destination=FOLDER,
        filename="{run_id}/{name}",
        pre_execute=plan_or_pay,
    )
    video = KlingGenerateOperator(
        task_id="video",
        request={"type": "image_to_video", "name": "video", "prompt": "{{ params.movement }}", "duration": 5},
        inputs={"first_frame": image.output},
        destination=FOLDER,
        filename="{run_id}/{name}",
        pre_execute=pay_or_skip,
    )
    # Two outputs: the video with its sound, and the sound alone.
    KlingGenerateOperator(
        task_id="film",
        request={"type": "video_to_audio", "name": "film", "sound_effect_prompt": "{{ params.sound }}"},
        inputs={"video": video.output},
        destination=FOLDER,
        filename="{run_id}/{name}",
        pre_execute=pay_or_skip,
    )

# SPDX-License-Identifier: Apache-2.0
"""### Somebody in a finished video speaks other words

`lips` puts a voice into a video, and the lips of the face in it follow. It has Kling recognise the face itself. If there
are several faces, it stops and lists them; write the number of one of them into its request as `face`. Replace `video` by
your own: `"video"` in the request of `lips` takes a URL, or a path in an object store.

*Plan only*, which is on in the form of *Trigger*, shows the requests and the prices of video and voice and sends nothing.
"""

from __future__ import annotations

import os
from datetime import datetime, timedelta

from airflow.configuration import AIRFLOW_HOME
from airflow.providers.common.compat.sdk import AirflowSkipException
from airflow.sdk import DAG, Param, task

from kling_provider.operators.kling import KlingGenerateOperator

VIDEOS = os.environ.get("KLING_VIDEOS", f"{AIRFLOW_HOME}/kling-videos")
FOLDER = f"{VIDEOS}/lip-sync"
SECONDS = 10


def plan_or_pay(context):
    """Do what the form of the run says."""
    context["task"].plan_only = context["params"]["plan_only"]


with DAG(
    "kling_lip_sync",
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    is_paused_upon_creation=True,
    default_args={"retries": 3, "retry_delay": timedelta(seconds=30)},
    params={
        "prompt": Param(
            "A newsreader at her desk, facing the camera, mouth closed",
            type="string",
            format="multiline",
            minLength=1,
            maxLength=2500,
            title="What the video shows",
        ),
        "text": Param(
            "And now the weather: rain in the north, and paper boats on every brook.",
            type="string",
            minLength=1,
            maxLength=1000,
            title="What is said",
        ),
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

    @task
    def milliseconds(voice):
        """How much of the voice the video has time for; Kling wants at least two seconds."""
        if voice.get("plan_only"):
            raise AirflowSkipException("Only planned: there is no voice to put into the video.")
        return min(int(voice["outputs"][0]["duration"] * 1000), SECONDS * 1000)

    video = KlingGenerateOperator(
        task_id="video",
        request={"name": "video", "prompt": "{{ params.prompt }}", "duration": SECONDS},
        destination=FOLDER,
        filename="{run_id}/{name}",
        pre_execute=plan_or_pay,
    )
    voice = KlingGenerateOperator(
        task_id="voice",
        request={
            "type": "tts",
            "name": "voice",
            "text": "{{ params.text }}",
            "voice_id": "oversea_male1",
            "voice_language": "en",
        },
        destination=FOLDER,
        filename="{run_id}/{name}",
        pre_execute=plan_or_pay,
    )
    KlingGenerateOperator(
        task_id="lips",
        request={
            "type": "advanced_lip_sync",
            "name": "lips",
            # Which part of the voice, and from when on it is heard.
            "sound_start_time": 0,
            "sound_end_time": milliseconds(voice.output),
            "sound_insert_time": 0,
            # The video's own sound is off.
            "original_audio_volume": 0,
        },
        inputs={"video": video.output, "sound": voice.output},
        destination=FOLDER,
        filename="{run_id}/{name}",
        pre_execute=plan_or_pay,
    )

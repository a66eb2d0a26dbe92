# SPDX-License-Identifier: Apache-2.0
"""### A script becomes a talking avatar

A voice speaks the script, and a portrait speaks with that voice. Voice and portrait are made side by side. The video is
as long as the voice, and costs by its seconds. To use a photo of your own instead, leave `portrait` out and write its path
or URL into the last request as `image`.

*Plan only*, which is on in the form of *Trigger*, shows the requests and the prices of voice and portrait and sends nothing.
"""

from __future__ import annotations

import os
from datetime import datetime, timedelta

from airflow.configuration import AIRFLOW_HOME
from airflow.providers.common.compat.sdk import AirflowSkipException
from airflow.sdk import DAG, Param

from kling_provider.operators.kling import KlingGenerateOperator

VIDEOS = os.environ.get("KLING_VIDEOS", f"{AIRFLOW_HOME}/kling-videos")
FOLDER = f"{VIDEOS}/talking-avatar"


def plan_or_pay(context):
    """Do what the form of the run says."""
    context["task"].plan_only = context["params"]["plan_only"]


def pay_or_skip(context):
    """Skip where nothing was made that could be the input."""
    if context["params"]["plan_only"]:
        raise AirflowSkipException("Only planned: there is no result to start from.")


with DAG(
    "kling_talking_avatar",
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    is_paused_upon_creation=True,
    default_args={"retries": 3, "retry_delay": timedelta(seconds=30)},
    params={
        "script": Param(
            "Good morning, and welcome aboard. The ferry leaves in ten minutes, and the coffee is on us.",
            type="string",
            format="multiline",
            minLength=1,
            maxLength=1000,
            title="Script",
        ),
        "language": Param("en", type="string", enum=["en", "zh"], title="Language of the script"),
        "speaker": Param(
            "Portrait of a ferry captain in uniform, facing the camera, harbour behind her",
            type="string",
            minLength=1,
            maxLength=2500,
            title="Who speaks",
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
    voice = KlingGenerateOperator(
        task_id="voice",
        request={
            "type": "tts",
            "name": "voice",
            "text": "{{ params.script }}",
            "voice_id": "oversea_male1",
            "voice_language": "{{ params.language }}",
        },
        destination=FOLDER,
        filename="{run_id}/{name}",
        pre_execute=plan_or_pay,
    )
    portrait = KlingGenerateOperator(
        task_id="portrait",
        request={
            "type": "image_generation",
            "name": "portrait",
            "prompt": "{{ params.speaker }}",
            "aspect_ratio": "9:16",
        },
        destination=FOLDER,
        filename="{run_id}/{name}",
        pre_execute=plan_or_pay,
    )
    KlingGenerateOperator(
        task_id="avatar",
        request={"type": "avatar", "name": "avatar", "prompt": "A calm, friendly look"},
        inputs={"image": portrait.output, "sound": voice.output},
        destination=FOLDER,
        filename="{run_id}/{name}",
        pre_execute=pay_or_skip,
    )

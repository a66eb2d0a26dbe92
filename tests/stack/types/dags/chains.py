# SPDX-License-Identifier: Apache-2.0
"""Chains whose steps are counted: four in a row, and two that share one result."""

from __future__ import annotations

import os
from datetime import timedelta

from airflow.sdk import DAG, Param

from kling_provider.operators.kling import KlingGenerateOperator

VIDEOS = os.environ["KLING_VIDEOS"]
SETTINGS = {"schedule": None, "default_args": {"retries": 2, "retry_delay": timedelta(seconds=1)}}

# A clear takes no conf, so what a person changes before a clear comes from a Variable.
with DAG("four_steps", params={"word": Param("", type="string")}, **SETTINGS):
    kwargs = {"kling_conn_id": "kling_four_steps", "destination": f"{VIDEOS}/four_steps/{{{{ run_id }}}}"}
    first = KlingGenerateOperator(
        task_id="first",
        request={
            "type": "image_generation",
            "prompt": "{{ params.word }} first",
            "take": "{{ var.value.get('take_of_first', '0') }}",
        },
        **kwargs,
    )
    second = KlingGenerateOperator(
        task_id="second",
        request={"type": "image_to_video", "prompt": "{{ params.word }} second", "duration": 3},
        inputs={"first_frame": first.output},
        **kwargs,
    )
    third = KlingGenerateOperator(
        task_id="third",
        request={"type": "omni_video", "prompt": "{{ params.word }} third", "duration": 3},
        inputs={"reference_video": second.output},
        **kwargs,
    )
    KlingGenerateOperator(
        task_id="fourth",
        request={"type": "video_to_audio", "sound_effect_prompt": "{{ params.word }} fourth"},
        inputs={"video": third.output},
        **kwargs,
    )

for dag_id, saved in (
    ("two_outputs", {}),
    ("two_outputs_saved", {"destination": f"{VIDEOS}/two_outputs_saved"}),
):
    with DAG(dag_id, **SETTINGS):
        kwargs = {"kling_conn_id": f"kling_{dag_id}", "pay_once_per": "dag", **saved}
        images = KlingGenerateOperator(
            task_id="images",
            request={"type": "image_generation", "prompt": "A boat, twice", "n": 2, "name": "boats"},
            **kwargs,
        )
        for number, side in ((1, "left"), (2, "right")):
            KlingGenerateOperator(
                task_id=side,
                request={"type": "image_to_video", "prompt": "It drifts away", "duration": 3, "name": side},
                inputs={"first_frame": {"result": images.output, "output": number}},
                **kwargs,
            )

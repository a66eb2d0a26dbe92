# SPDX-License-Identifier: Apache-2.0
"""Prompts, images and videos in a bucket that wants credentials: no path here is a local one."""

from datetime import timedelta

from airflow.sdk import DAG, task

from kling_provider.operators.kling import KlingGenerateOperator
from kling_provider.prompts import load_prompts

RETRIES = {"retries": 1, "retry_delay": timedelta(seconds=1)}

with DAG("s3_videos", schedule=None, default_args=RETRIES):
    prompts = task(load_prompts)("s3://aws_videos@films/prompts")
    KlingGenerateOperator.partial(
        task_id="video",
        pay_once_per="dag",
        destination="s3://aws_videos@films/videos",
        map_index_template="{{ task.request.name }}",
    ).expand(request=prompts)

with DAG("s3_by_conn_id", schedule=None, default_args=RETRIES):
    KlingGenerateOperator(
        task_id="video",
        request={"name": "by-conn-id", "prompt": "A letter box in the rain", "duration": 3},
        destination="s3://films/elsewhere",
        destination_conn_id="aws_videos",
    )

with DAG("s3_no_bucket", schedule=None, default_args=RETRIES):
    KlingGenerateOperator(
        task_id="video",
        request={"prompt": "Never to be paid", "duration": 3},
        destination="s3://aws_videos@no-such-bucket/videos",
    )

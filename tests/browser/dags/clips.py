# SPDX-License-Identifier: Apache-2.0
"""What the browser tests run: videos of two people, one of whom may see the other's."""

from __future__ import annotations

import os

from airflow.sdk import DAG

from kling_provider.operators.kling import KlingGenerateOperator

VIDEOS = os.environ["KLING_VIDEOS"]

with DAG("ann_clips", schedule=None, default_args={"retries": 0}):
    KlingGenerateOperator.partial(
        task_id="video", destination=VIDEOS, filename="{run_id}-{name}", poll_interval=1
    ).expand(
        request=[
            {"name": "kite", "prompt": "A kite over the dunes", "duration": 5},
            {"name": "lighthouse", "prompt": "A lighthouse in a storm", "duration": 5},
        ]
    )

with DAG("ann_others", schedule=None, default_args={"retries": 0}):
    KlingGenerateOperator(
        task_id="unsaved", request={"prompt": "A paper crane unfolds itself", "duration": 3}
    )
    KlingGenerateOperator(
        task_id="refused",
        request={"prompt": "Something forbidden", "duration": 3},
        destination=VIDEOS,
        filename="{run_id}-{name}",
    )

with DAG("bob_clips", schedule=None, default_args={"retries": 0}):
    KlingGenerateOperator(
        task_id="video",
        request={"name": "secret", "prompt": "Bob's secret film", "duration": 3},
        destination=VIDEOS,
    )

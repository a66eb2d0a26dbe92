# SPDX-License-Identifier: Apache-2.0
"""One Python task that submits, looks every three seconds and prints the link, as DMXAPI's example does.

The example as published ends at its first look (having paid); this one reads the state where it is, and takes host and key from
a connection.
"""

from __future__ import annotations

import time

from airflow.sdk import BaseHook, dag, task

POLL_SECONDS = 3
LONGEST_SECONDS = 600


@dag("submit_and_sleep", schedule=None)
def submit_and_sleep():
    @task
    def prompts(params):
        return params["prompts"]

    @task
    def video(prompt):
        import requests

        connection = BaseHook.get_connection("kling_http")
        url, headers = f"{connection.host}/v1/videos/text2video", connection.extra_dejson
        body = {"model_name": "kling-v3", "prompt": prompt, "mode": "std", "duration": "5"}
        answer = requests.post(url, json=body, headers=headers, timeout=60).json()
        if answer["code"] != 0:
            raise RuntimeError(answer["message"])
        task_id = answer["data"]["task_id"]
        began = time.monotonic()
        while time.monotonic() - began < LONGEST_SECONDS:
            time.sleep(POLL_SECONDS)
            data = requests.get(f"{url}/{task_id}", headers=headers, timeout=60).json()["data"]
            if data["task_status"] == "succeed":
                link = data["task_result"]["videos"][0]["url"]
                print(link)
                return link
            if data["task_status"] == "failed":
                raise RuntimeError(data["task_status_msg"])
        raise TimeoutError(task_id)

    video.expand(prompt=prompts())


submit_and_sleep()

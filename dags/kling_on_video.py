# SPDX-License-Identifier: Apache-2.0
"""### Publish whatever is generated

Takes every video that `kling_prompt_files` has saved: the events of the asset of that Dag's task `video` bring file,
prompt and the rest (`docs/assets.md` lists all of it); the task copies each video that is not there yet into
`published/` and writes `index.html` there. Replace its body by an upload to wherever your videos go. It pays nothing.

As an example it waits for *Trigger*. In a Dag of your own write `schedule=VIDEO`, and it runs whenever videos are
finished.

It reads the asset's events, not only those that triggered the run: where several videos finish at once, Airflow starts
one run for the first of them and may leave the last ones without a run.
"""

from __future__ import annotations

import html
import json
import os
import shutil
from datetime import datetime, timedelta

from airflow.configuration import AIRFLOW_HOME
from airflow.providers.common.compat.sdk import AirflowSkipException
from airflow.sdk import DAG, ObjectStoragePath, task

from kling_provider.assets import video_asset

VIDEOS = os.environ.get("KLING_VIDEOS", f"{AIRFLOW_HOME}/kling-videos")
PUBLISHED = f"file://{VIDEOS}/published"
VIDEO = video_asset("kling_prompt_files", "video")

with DAG(
    "kling_on_video",
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=True,
    default_args={"retries": 3, "retry_delay": timedelta(seconds=30)},
    doc_md=__doc__,
    tags=["kling"],
):

    @task(inlets=[VIDEO])
    def publish(inlet_events=None) -> list[str]:
        """Copy what is new; a video that is there already stays as it is."""
        folder = ObjectStoragePath(PUBLISHED)
        folder.mkdir(parents=True, exist_ok=True)
        catalogue = folder / "videos.json"
        known = json.loads(catalogue.read_text()) if catalogue.exists() else {}
        videos = {}
        for event in inlet_events[VIDEO]:  # on Airflow 3.3, .after("2026-11-01T00:00:00Z") shortens the list
            made = event.extra
            for file in (file for file in made.get("files", ()) if file["type"] == "video"):
                # Kling's id makes the name unique whatever the prompt is called.
                source, target = ObjectStoragePath(file["file"]), folder / f"{made['kling_task_id']}.mp4"
                if target.name in known or not source.exists():
                    continue
                # The size tells a copy that was cut off by a kill.
                if not target.exists() or target.stat().st_size != file["bytes"]:
                    with source.open("rb") as video, target.open("wb") as copy:
                        shutil.copyfileobj(video, copy)
                videos[target.name] = {"name": made["name"], "prompt": made["prompt"]}
        if not videos:
            raise AirflowSkipException("Every saved video is published already.")
        (folder / "index.html").write_text(page(known | videos))
        catalogue.write_text(json.dumps(known | videos, indent=2))
        return sorted(videos)

    publish()


def page(videos: dict[str, dict[str, str]]) -> str:
    """All videos with their prompts."""
    figures = "\n".join(
        f'<figure><video src="{file}" controls preload="metadata"></video>'
        f"<figcaption><b>{html.escape(video['name'] or file)}</b> {html.escape(video['prompt'] or '')}</figcaption></figure>"
        for file, video in sorted(videos.items())
    )
    return f"<!doctype html><meta charset='utf-8'><title>Published videos</title>\n{figures}\n"

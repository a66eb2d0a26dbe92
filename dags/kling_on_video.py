# SPDX-License-Identifier: Apache-2.0
"""### Publish whatever is generated

Runs whenever `kling_prompt_files` has finished videos: its schedule is the asset of that DAG's task `video`. The
asset events bring file, prompt and the rest (`docs/assets.md` lists all of it); the task copies each film that is not
there yet into `published/` and writes `index.html` there. Replace its body by an upload to wherever your videos go.

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
from airflow.exceptions import AirflowSkipException
from airflow.sdk import DAG, ObjectStoragePath, task

from kling_provider.assets import video_asset

VIDEOS = os.environ.get("KLING_VIDEOS", f"{AIRFLOW_HOME}/kling-videos")
PUBLISHED = f"file://{VIDEOS}/published"
VIDEO = video_asset("kling_prompt_files", "video")

with DAG(
    "kling_on_video",
    schedule=VIDEO,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 3, "retry_delay": timedelta(seconds=30)},
    doc_md=__doc__,
    tags=["kling"],
):

    @task(inlets=[VIDEO])
    def publish(inlet_events=None) -> list[str]:
        """Copies what is new; a film that is there already stays as it is."""
        folder = ObjectStoragePath(PUBLISHED)
        folder.mkdir(parents=True, exist_ok=True)
        catalogue = folder / "videos.json"
        known = json.loads(catalogue.read_text()) if catalogue.exists() else {}
        films = {}
        for event in inlet_events[VIDEO]:  # on Airflow 3.3, .after("2026-11-01T00:00:00Z") shortens the list
            video = event.extra
            for file in (file for file in video.get("files", ()) if file["type"] == "video"):
                # Kling's id makes the name unique whatever the prompt is called.
                source, target = ObjectStoragePath(file["file"]), folder / f"{video['kling_task_id']}.mp4"
                if target.name in known or not source.exists():
                    continue
                # The size tells a copy that was cut off by a kill.
                if not target.exists() or target.stat().st_size != file["bytes"]:
                    with source.open("rb") as film, target.open("wb") as copy:
                        shutil.copyfileobj(film, copy)
                films[target.name] = {"name": video["name"], "prompt": video["prompt"]}
        if not films:
            raise AirflowSkipException("Every saved video is published already.")
        (folder / "index.html").write_text(page(known | films))
        catalogue.write_text(json.dumps(known | films, indent=2))
        return sorted(films)

    publish()


def page(films: dict[str, dict[str, str]]) -> str:
    """All films with their prompts."""
    figures = "\n".join(
        f'<figure><video src="{file}" controls preload="metadata"></video>'
        f"<figcaption><b>{html.escape(film['name'] or file)}</b> {html.escape(film['prompt'] or '')}</figcaption></figure>"
        for file, film in sorted(films.items())
    )
    return f"<!doctype html><meta charset='utf-8'><title>Published videos</title>\n{figures}\n"

# SPDX-License-Identifier: Apache-2.0
"""What ``make demo`` and ``make up`` share: the sandbox, a whole Airflow that is connected to it, a folder for videos."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from demo.sandbox_process import SandboxProcess
from demo.stack import AirflowStack
from demo.stack.api import connection_body

REPOSITORY = Path(__file__).resolve().parent.parent
DAGS = REPOSITORY / "dags"
VIDEOS = REPOSITORY / "demo-output"
#: Kling takes a minute or two for a video; here 90 s pass in 3.
RENDER_SECONDS = 90
TIME_SCALE = 30


@contextmanager
def playground(
    *,
    videos: Path,
    dags: Path = DAGS,
    paused: bool = False,
    environment: Mapping[str, str] | None = None,
    for_people: bool = False,
) -> Iterator[tuple[SandboxProcess, AirflowStack]]:
    """Sandbox and Airflow for the length of the ``with`` block. Schedules are off: runs are made by hand.

    :param for_people: the connection is in the database, where the UI shows it, and not in the environment.
    """
    with (
        SandboxProcess(render_seconds=RENDER_SECONDS, time_scale=TIME_SCALE) as sandbox,
        AirflowStack(
            dags_folder=dags,
            connections={} if for_people else {"kling_default": sandbox.connection},
            paused=paused,
            environment={
                "AIRFLOW__SCHEDULER__USE_JOB_SCHEDULE": "False",
                "AIRFLOW__KLING__GALLERY_ROOTS": str(videos),
                "KLING_VIDEOS": str(videos),
                **(environment or {}),
            },
        ) as stack,
    ):
        if for_people:
            stack.api.call("POST", "/connections", json=connection_body("kling_default", sandbox.connection))
        yield sandbox, stack

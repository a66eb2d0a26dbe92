# SPDX-License-Identifier: Apache-2.0
"""What ``make demo`` and ``make up`` share: the sandbox, a whole Airflow that is connected to it, a folder for videos."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.support.sandbox_process import SandboxProcess
from tests.support.stack import AirflowStack
from tests.support.stack.api import connection_body

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
    environment: Mapping[str, str] | None = None,
    for_people: bool = False,
    tell: Callable[[str], None] = lambda words: None,
) -> Iterator[tuple[SandboxProcess, AirflowStack]]:
    """Sandbox and Airflow for the length of the ``with`` block, with the examples switched on.

    :param for_people: the connection is in the database, where the UI shows it, and not in the environment.
    :param tell: is called with a few words whenever there is something new to say about the start.
    """
    tell("starting the sandbox")
    with (
        SandboxProcess(render_seconds=RENDER_SECONDS, time_scale=TIME_SCALE) as sandbox,
        AirflowStack(
            dags_folder=dags,
            connections={} if for_people else {"kling_default": sandbox.connection},
            tell=tell,
            environment={
                "AIRFLOW__KLING__GALLERY_ROOTS": str(videos),
                "KLING_VIDEOS": str(videos),
                **(environment or {}),
            },
        ) as stack,
    ):
        if for_people:
            stack.api.call("POST", "/connections", json=connection_body("kling_default", sandbox.connection))
        tell("Airflow runs, and reads the example Dags")
        for example in sorted(dags.glob("*.py")):
            stack.api.wait_for_dag(example.stem)
            stack.api.pause(example.stem, False)
        yield sandbox, stack

# SPDX-License-Identifier: Apache-2.0
"""``make up``: the sandbox and a whole Airflow for the browser, with a first run, until Ctrl-C."""

from __future__ import annotations

import sys
import time

from demo.playground import REPOSITORY, TIME_SCALE, VIDEOS, playground
from demo.progress import Progress
from tests.support.stack import StackError
from tests.support.stopping import ended_by_signals

FIRST = "kling_prompt_files"
TEXT = """
Airflow   {airflow}
          Open it: nobody has to sign in, everybody who reaches this address is admin.
          A first run of {first} has begun; its videos appear in Browse, Kling results:
          {airflow}/plugin/kling-videos
Kling     {sandbox}
          The sandbox, a local Kling that costs nothing; a page for people is there. Rendering takes 1/{scale} of
          the real time. Airflow knows it as the connection kling_default (Admin, Connections), with its Test
          button.
Videos    {videos}/
Dags      dags/
          All are on and have no schedule. Press Trigger, and switch Plan only off in its form to make something.

Ctrl-C ends everything. The videos stay; Airflow's history goes.
"""


def main() -> None:
    videos = VIDEOS / "up"
    videos.mkdir(parents=True, exist_ok=True)
    with (
        Progress() as progress,
        playground(
            videos=videos,
            environment={"AIRFLOW__CORE__TEST_CONNECTION": "Enabled"},
            for_people=True,
            tell=progress.show,
        ) as (sandbox, stack),
    ):
        stack.api.trigger(FIRST, {"plan_only": False})
        progress.say(
            TEXT.format(
                airflow=stack.address,
                first=FIRST,
                sandbox=sandbox.address,
                scale=TIME_SCALE,
                videos=videos.relative_to(REPOSITORY),
            )
        )
        while True:
            stack.check()
            time.sleep(1)


if __name__ == "__main__":
    with ended_by_signals():
        try:
            main()
        except KeyboardInterrupt:
            print("\nStopped.")
        except (StackError, TimeoutError) as error:
            print(f"\nAirflow stopped: {error}", file=sys.stderr)
            sys.exit(1)

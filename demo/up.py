# SPDX-License-Identifier: Apache-2.0
"""``make up``: the sandbox and a whole Airflow for the browser, until Ctrl-C."""

from __future__ import annotations

import sys
import time

from demo.playground import REPOSITORY, TIME_SCALE, VIDEOS, playground
from demo.stack import StackError
from demo.stopping import ended_by_signals

TEXT = """
Airflow   {airflow}
          Open it: nobody has to sign in, everybody who reaches this address is admin.
Kling     {sandbox}
          The sandbox, a local Kling that costs nothing; a page for people is there. Rendering takes 1/{scale} of the real time.
          Airflow knows it as the connection kling_default (Admin, Connections), with its Test button.
Videos    {videos}/
DAGs      {dags}/
          All are on; their schedules are off here, so nothing runs until you press Trigger.

Ctrl-C ends everything. The videos stay; Airflow's history goes.
"""


def main() -> None:
    videos = VIDEOS / "up"
    videos.mkdir(parents=True, exist_ok=True)
    print("Starting the sandbox and Airflow ...", flush=True)
    with playground(
        videos=videos, environment={"AIRFLOW__CORE__TEST_CONNECTION": "Enabled"}, for_people=True
    ) as (sandbox, stack):
        print(
            TEXT.format(
                airflow=stack.address,
                sandbox=sandbox.address,
                scale=TIME_SCALE,
                videos=videos.relative_to(REPOSITORY),
                dags="dags",
            ),
            flush=True,
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

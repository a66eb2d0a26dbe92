# SPDX-License-Identifier: Apache-2.0
"""Submit a request exactly once: decide what to do next from what is known and from each response. No I/O.

:meth:`Submission.plan_steps` is a generator. It yields a :data:`Step`, and is sent the result of that step; an error of the
step is thrown into it. So the hook, operators and tests run the same decisions.

There are two cases:

* **With a lock** Kling refuses a second create with our id. So after an ambiguous call we look it up, and if nothing is
  found we send again *with the same id*.
* **Without a lock** an intent is stored before the call and closed after it. An ambiguous call is never repeated: we stop,
  and say how to go on.
"""

from kling_provider.submission.messages import build_task_failure
from kling_provider.submission.state_machine import Submission
from kling_provider.submission.steps import (
    Find,
    MustQueue,
    Outcome,
    Permit,
    Prepare,
    ReadTask,
    Send,
    Sent,
    Step,
    Steps,
    StoreRecord,
    SubmissionRecord,
    Submitted,
    Wait,
    drive_steps,
    drive_steps_until,
)

__all__ = [
    "Find",
    "MustQueue",
    "Outcome",
    "Permit",
    "Prepare",
    "ReadTask",
    "Send",
    "Sent",
    "Step",
    "Steps",
    "StoreRecord",
    "Submission",
    "SubmissionRecord",
    "Submitted",
    "Wait",
    "build_task_failure",
    "drive_steps",
    "drive_steps_until",
]

# SPDX-License-Identifier: Apache-2.0
"""Exactly-once submission: given what is known and each response, what now. A class without I/O.

:meth:`Submission.plan_steps` is a generator: it yields what to do (:data:`Step`) and is sent what came of it, so
that hook, operators and tests can drive the same decisions. What fails is thrown into it.

Two cases:

* **with a lock** Kling refuses a second create with our id, so after an ambiguous
  call we look up, and where nothing is found send again *with the same id*;
* **without one** an intent is stored before the call and closed after it. An ambiguous call is never
  repeated: we stop and say how to go on.
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

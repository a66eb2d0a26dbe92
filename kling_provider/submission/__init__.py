# SPDX-License-Identifier: Apache-2.0
"""Exactly-once submission: given what is known and each answer, what now. A class without I/O.

:meth:`Submission.steps` is a generator: it yields what to do (:data:`Step`) and is sent what came of it, so
that hook, operators and tests can drive the same decisions. What fails is thrown into it.

Two worlds:

* **with a lock** Kling refuses a second create with our id, so after any doubt we look up, and where nothing
  is found send again *with the same id*;
* **without one** an intent is stored before the call and closed after it. A call whose end is unknown is
  never repeated: we stop and say how to go on.
"""

from kling_provider.submission.machine import Submission
from kling_provider.submission.steps import (
    Find,
    NoSlot,
    Outcome,
    Permit,
    Prepare,
    Read,
    Record,
    Send,
    Sent,
    Step,
    Steps,
    Store,
    Submitted,
    Wait,
    drive,
    drive_until,
)
from kling_provider.submission.words import failure_of

__all__ = [
    "Find",
    "NoSlot",
    "Outcome",
    "Permit",
    "Prepare",
    "Read",
    "Record",
    "Send",
    "Sent",
    "Step",
    "Steps",
    "Store",
    "Submission",
    "Submitted",
    "Wait",
    "drive",
    "drive_until",
    "failure_of",
]

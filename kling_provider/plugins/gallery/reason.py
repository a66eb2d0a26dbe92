# SPDX-License-Identifier: Apache-2.0
"""Why there is no result, from the text of the task's error, and what to do about it."""

from __future__ import annotations

import re

#: What an instruction begins with, at the start of a sentence or after a colon or semicolon.
_VERBS = (
    "add|ask|buy|change|check|choose|clear|cut|delete|fix|free|give|install|leave|look|make|open|paste|put|raise|"
    "remove|rename|renew|save|see|set|shorten|take|top up|try again|turn|use|wait|write"
)
_INSTRUCTION = re.compile(
    rf"(?:^|[:;,] |\bor |\bthen )(?:{_VERBS})\b|\bmust be\b|\braise take\b", re.IGNORECASE
)
#: Where a retry or a clear is enough.
_NEXT_TRY = re.compile(r"\b(?:a|the) (?:retry|clear)\b", re.IGNORECASE)
_WRONG_REQUEST = re.compile(r"^The request is wrong[^:]*: ")
#: A sentence ends before a capital letter, a quote or a digit; "3.0 s", "e.g. x" and addresses do not.
_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[\"'(A-Z0-9])")

_ADOPTS = "Clear the task: it adopts what exists at Kling and pays nothing."
_READ_LOG = "Read the task's log, fix what it names, and clear the task."

NOT_FETCHED = "It was sent to Kling, and no task of the run has fetched the result."
FETCH = "Clear the tasks after this one, or let KlingReconcileOperator save it: what exists is adopted, nothing is paid."
NOT_SAID = "The task failed after this request was sent to Kling."


def say_left_behind(kling_task_id: str | None) -> str:
    """Return the reason of a job whose wait was ended by a user, for example by cancelling the run."""
    if kling_task_id is None:
        return "Nothing waits for it any more. Nothing was made, nothing is billed."
    return (
        f"Nothing waits for Kling task {kling_task_id} any more. It goes on at Kling and is billed when it succeeds; clear the "
        "task to adopt it, which pays nothing."
    )


def find_todo(reason: str | None, *, exists: bool) -> str:
    """Return the sentences of ``reason`` that say what to do, else what always helps.

    :param reason: the text of the task's error.
    :param exists: whether a task exists at Kling.
    """
    text = reason or ""
    if wrong := _WRONG_REQUEST.match(text):
        return f"Correct the request: {text[wrong.end() :]}"
    sentences = _SENTENCE.split(text)
    for instruction in (_INSTRUCTION, _NEXT_TRY):
        if found := [sentence for sentence in sentences if instruction.search(sentence)]:
            return " ".join(found)
    return _ADOPTS if exists else _READ_LOG

# SPDX-License-Identifier: Apache-2.0
"""The words for the state of a task: Kling's own, and those of gateways. A new word is a word in one of these tables.

An answer to the paid call has words of its own for success, in :mod:`kling_provider.api.envelope`, and lines for people of
DMXAPI's route have some for a failure, in :mod:`kling_provider.api.responses_route`.
"""

from __future__ import annotations

from kling_provider.api.tasks import TaskStatus

#: Kling's own words, as they are written.
_KLING_WORDS = {
    "submitted": TaskStatus.SUBMITTED,
    "processing": TaskStatus.PROCESSING,
    "succeed": TaskStatus.SUCCEEDED,
    "succeeded": TaskStatus.SUCCEEDED,
    "failed": TaskStatus.FAILED,
}
#: What gateways say besides, in small letters.
_WORDS_OF_GATEWAYS = {
    TaskStatus.SUBMITTED: "queued queueing in_queue pending not_start waiting wait created accepted",
    TaskStatus.PROCESSING: "running run in_progress initializing initialized preparing starting started generating "
    "rendering working retrying finalizing",
    TaskStatus.SUCCEEDED: "success successful completed complete done finished",
    TaskStatus.FAILED: "failure fail error errored cancelled canceled expired timeout timed_out rejected refused "
    "aborted banned blocked moderated",
}
_ALL_WORDS = _KLING_WORDS | {
    word: status for status, words in _WORDS_OF_GATEWAYS.items() for word in words.split()
}


def read_status(word: str, *, accepts_gateway_statuses: bool) -> TaskStatus:
    """Read a status word; one that is not in the tables is ``UNKNOWN``.

    :param accepts_gateway_statuses: also accept the words of gateways, in any case; Kling's own are exact.
    """
    if accepts_gateway_statuses:
        return _ALL_WORDS.get(word.strip().lower(), TaskStatus.UNKNOWN)
    return _KLING_WORDS.get(word, TaskStatus.UNKNOWN)

# SPDX-License-Identifier: Apache-2.0
"""What was asked and what was answered: the counts and logs that tests and benchmarks read."""

from __future__ import annotations

import threading
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any

from kling_provider.sandbox.http.messages import Request, Response

_REQUESTS_KEPT = 5000
_BODY_KEPT = 64 * 1024

#: Business code -> the word under which the answer to a create is counted.
_WORDS = {
    0: "ok",
    **dict.fromkeys((1000, 1001, 1002, 1003, 1004, 1103, 1304), "auth"),
    **dict.fromkeys((1100, 1101, 1102), "balance"),
    **dict.fromkeys((1200, 1201, 1202, 1203), "invalid"),
    **dict.fromkeys((1300, 1301), "moderation"),
    1302: "rate_limited",
    1303: "concurrency",
    **dict.fromkeys((5000, 5001, 5002), "server_error"),
}


@dataclass
class RequestNote:
    """What the work learned about one request, for the log."""

    operation: str = "other"
    route: str = ""
    account: str | None = None
    external_task_id: str | None = None
    model: str | None = None
    prompt: str | None = None
    task_id: str | None = None
    code: int | None = None
    word: str | None = None
    fault: str | None = None
    task_faults: list[str] = field(default_factory=list)


class RequestLog:
    """Counts since the last reset. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.clear_counts()

    def clear_counts(self) -> None:
        """Forget counts and requests."""
        with self._lock:
            self._operations: Counter[str] = Counter()
            self._routes: Counter[str] = Counter()
            self._answers: Counter[str] = Counter()
            self._faults: Counter[str] = Counter()
            self._made = 0
            self._redirects_followed = 0
            self._callbacks: Counter[str] = Counter()
            self._creates: list[dict[str, Any]] = []
            self._requests: deque[dict[str, Any]] = deque(maxlen=_REQUESTS_KEPT)
            self._told: dict[str, int] = {}

    def record_end(self, task_id: str, at_ms: int) -> None:
        """Keep when an answer first said that a task has ended."""
        with self._lock:
            self._told.setdefault(task_id, at_ms)

    def find_end_told(self, task_id: str) -> int | None:
        """Return when that was, in milliseconds; None where nobody has asked since the end."""
        with self._lock:
            return self._told.get(task_id)

    def record_request(
        self, request: Request, answer: Response, note: RequestNote, *, received_ms: int
    ) -> None:
        """Record one API request; called before its answer is on the wire."""
        with self._lock:
            self._operations[note.operation] += 1
            self._routes[f"{request.method} {note.route or request.path}"] += 1
            self._faults.update([*note.task_faults, *([note.fault] if note.fault else [])])
            if note.operation == "create":
                word = note.fault or note.word or _WORDS.get(note.code or 0, "invalid")
                self._answers[word] += 1
                self._made += note.task_id is not None
                self._creates.append(
                    {
                        "at": received_ms,
                        "account": note.account,
                        "external_task_id": note.external_task_id,
                        "model": note.model,
                        "prompt": (note.prompt or "")[:200],
                        "answer": word,
                        "fault": note.fault,
                        "task_id": note.task_id,
                    }
                )
            self._requests.append(
                {
                    "at": received_ms,
                    "operation": note.operation,
                    "method": request.method,
                    "path": request.path,
                    "query": request.query,
                    "headers": [list(pair) for pair in request.headers],
                    "body": request.body[:_BODY_KEPT].decode("utf-8", "replace"),
                    "body_bytes": len(request.body),
                    "status": None if answer.drop else answer.status,
                    "fault": note.fault,
                }
            )

    def count_redirect(self) -> None:
        """Count a redirect that a client followed."""
        with self._lock:
            self._redirects_followed += 1

    def count_callback(self, word: str) -> None:
        """Count a callback under the word for how it went: an HTTP status or the name of an error."""
        with self._lock:
            self._callbacks[word] += 1

    def list_requests(self) -> list[dict[str, Any]]:
        """Return the last requests, oldest first, as the wire had them."""
        with self._lock:
            return list(self._requests)

    def build_figures(self) -> dict[str, Any]:
        """Build the log's part of the statistics."""
        with self._lock:
            count = self._operations
            return {
                "creates": {"received": count["create"], "made": self._made, "answers": dict(self._answers)},
                "reads": count["read"],
                "lists": count["list"],
                "downloads": count["download"],
                "account_reads": count["account"],
                "paths": dict(self._routes),
                "faults": dict(self._faults),
                "redirects_followed": self._redirects_followed,
                "callbacks": dict(self._callbacks),
                "create_log": list(self._creates),
            }

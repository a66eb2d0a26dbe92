# SPDX-License-Identifier: Apache-2.0
"""Faults on demand: rules that say what goes wrong, where, how often and for whom.

A rule is one JSON object::

    {"kind": "answer_lost_after", "on": "create", "probability": 0.5, "times": 3, "for_seconds": 120,
     "match": {"prompt_contains": "panda", "nth": [1, 4]}, ...parameters of the kind}

Every key but ``kind`` is optional. ``on`` is one word or a list of them (``create``, ``read``, ``list``,
``download``, ``account``, ``any``), each kind has its own default. ``times`` is how often the rule acts at most,
``for_seconds`` how long after it was set. ``match`` takes ``external_task_id``, ``task_id``, ``model`` (version or
legacy name), ``product``, ``prompt_contains`` and ``nth`` (which of the requests that match otherwise: a number
or a list, from 1). The first rule that acts decides; ``slow`` acts beside another. Random numbers come from the
sandbox's seed. :data:`KINDS` is the table of kinds.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Phase = Literal["before", "after", "task", "standing"]
Attributes = Mapping[str, str | None]

_OPERATIONS = ("create", "read", "list", "download", "account")
_COMMON_KEYS = {"kind", "on", "probability", "times", "for_seconds", "match"}
_MATCH_KEYS = {"external_task_id", "task_id", "model", "product", "prompt_contains", "nth"}


@dataclass(frozen=True)
class FaultKind:
    """One kind of fault: when it happens, and what a rule may set.

    :param phase: when it happens, which decides where it is carried out:

        * ``before``: instead of the work, by ``build_fault_response`` of ``endpoints/fault_answers.py``.
        * ``after``: to the answer, by ``apply_fault`` of the same module, or while the work describes tasks, by
          ``endpoints/base.py``.
        * ``task``: to the task that a create makes, drawn only when one is made, by ``endpoints/create.py``.
        * ``standing``: a property of the host while the rule is in force (no ``times``), by whatever asks
          :meth:`Faults.find_standing` for it: ``app.py`` and the endpoints.
    :param on: the operations that it can happen to.
    :param text: what it does, as ``GET /_sandbox/faults`` tells it.
    :param parameters: the keys that a rule may set, with their defaults.
    """

    phase: Phase
    on: tuple[str, ...]
    text: str
    parameters: Mapping[str, Any]


_ALL = _OPERATIONS
_CREATE = ("create",)
_READS = ("read", "list")

KINDS: dict[str, FaultKind] = {
    "answer_lost_before": FaultKind("before", _CREATE, "connection closed, nothing was made", {}),
    "answer_lost_after": FaultKind(
        "after", _CREATE, "the task was made, connection closed without an answer", {}
    ),
    "answer_cut": FaultKind(
        "after", _CREATE, "the task was made, the answer's body stops at this share", {"at": 0.5}
    ),
    "error_before": FaultKind("before", _CREATE, "5000, 5001 or 5002, nothing was made", {"code": 5000}),
    "error_after": FaultKind("after", _CREATE, "5000, 5001 or 5002, but the task was made", {"code": 5000}),
    "html_502": FaultKind(
        "before", _CREATE, "an HTML page of a proxy", {"made": False, "status": 502, "retry_after": None}
    ),
    "redirect": FaultKind("before", _CREATE, "sent elsewhere", {"status": 307, "location": None}),
    "status_408": FaultKind("before", _CREATE, "408 of a proxy", {"made": False}),
    "answer": FaultKind(
        "before",
        _CREATE,
        "this answer instead: status, headers, and as its body JSON, or a text as it is; made: the task exists",
        {"status": 400, "headers": {}, "body": "", "made": False},
    ),
    "slow": FaultKind(
        "after",
        _ALL,
        "the answer waits (a read time-out); before: so does the work",
        {
            "seconds": 30,
            "before": False,
        },
    ),
    "drip": FaultKind(
        "after",
        _ALL,
        "the answer comes byte by byte, with so many seconds between two; head: its head as well",
        {"seconds": 0.4, "head": False},
    ),
    "flood": FaultKind(
        "after",
        _READS,
        "the answer is padded to so many megabytes; gzip: packed, which is a thousandth",
        {"megabytes": 100, "gzip": True},
    ),
    "rate_limited": FaultKind("before", _ALL, "1302", {"retry_after": None}),
    "concurrency": FaultKind("before", _CREATE, "1303", {}),
    "arrears": FaultKind("before", _CREATE, "1101", {}),
    "exhausted": FaultKind("before", _CREATE, "1102", {}),
    "auth": FaultKind("before", _ALL, "1000, 1002, 1003, 1004, 1103 or 1304", {"code": 1002}),
    "refused": FaultKind(
        "before", _CREATE, "any code of the table, with a text", {"code": 1201, "message": None}
    ),
    "moderation": FaultKind("before", _CREATE, "1301 at create; as a task: see task_fails", {"code": 1301}),
    "task_fails": FaultKind(
        "task",
        _CREATE,
        "the task that is made fails, after this part of its render",
        {
            "message": "Failure to pass the risk control system",
            "after": 0.5,
        },
    ),
    "stuck": FaultKind("task", _CREATE, "the task never ends", {}),
    "slow_render": FaultKind("task", _CREATE, "rendering takes this many times longer", {"factor": 10}),
    "ids_forgotten": FaultKind(
        "task",
        _CREATE,
        "after these seconds the task and its id are not found; mode refused: a create with the id is still "
        "refused, mode free: it makes a new task",
        {"seconds": 0, "mode": "refused"},
    ),
    "gateway_gives_up": FaultKind(
        "task",
        _CREATE,
        "a new-api gateway fails the task after this part of its render, while Kling goes on",
        {"message": "task timed out", "after": 0.5},
    ),
    "callback_late": FaultKind(
        "task", _CREATE, "its callbacks come so many seconds after the change", {"seconds": 30}
    ),
    "callback_twice": FaultKind("task", _CREATE, "each of its callbacks comes twice, the same message", {}),
    "callback_out_of_order": FaultKind(
        "task", _CREATE, "that of its end comes first, that of its start after it", {}
    ),
    "callback_forged": FaultKind("task", _CREATE, "its callbacks are signed with another secret", {}),
    "callback_unsigned": FaultKind("task", _CREATE, "its callbacks have no signature", {}),
    "callback_stale": FaultKind(
        "task",
        _CREATE,
        "its callbacks state a time so many seconds ago, and are signed for it",
        {"seconds": 600},
    ),
    "callback_lost": FaultKind("task", _CREATE, "its callbacks are not sent", {}),
    "cut_download": FaultKind(
        "after", ("download",), "the file stops at this share of its length", {"at": 0.5}
    ),
    "expired_link": FaultKind(
        "after", _READS, "links of this answer die after these seconds", {"seconds": 0}
    ),
    "unknown_status": FaultKind("after", _READS, "a status word that nobody knows", {"status": "paused"}),
    "outputs": FaultKind(
        "after",
        _READS,
        'finished tasks have these outputs; "real" stands for the first real one, as an entry and as a url',
        {"outputs": []},
    ),
    "accepted_with_400": FaultKind(
        "after",
        _CREATE,
        "DMXAPI: the task was made, but the answer has this status and error.code dmxapi_kling_error_0; place of the "
        "usual answer: beside the error, message (as a text in it), none",
        {"status": 400, "place": "beside"},
    ),
    "failed_with_400": FaultKind(
        "standing",
        ("read",),
        "DMXAPI's responses route: reads of failed tasks answer this status, with the state in the error's text",
        {"status": 400},
    ),
    "missing_id": FaultKind("after", _CREATE, "the task was made, a 2xx without an id", {}),
    "wrong_code_shape": FaultKind("after", _ALL, "the envelope's code as this text", {"code": "0"}),
    "outage": FaultKind("before", _READS, "reads answer 503; use for_seconds", {"status": 503}),
    "refuse_connect": FaultKind(
        "standing",
        _ALL,
        "the port is closed for these seconds, from when it is set",
        {
            "seconds": 5,
        },
    ),
    "external_id_not_echoed": FaultKind(
        "standing", _ALL, "answers never carry the external id; the lock works", {}
    ),
    "ids_ignored": FaultKind(
        "standing", _CREATE, "external ids are dropped: no lock, no echo, no look-up", {}
    ),
    "no_lock": FaultKind(
        "standing", _CREATE, "a second create with the same external id makes a second task", {}
    ),
    "skewed_clock": FaultKind(
        "standing", _ALL, "Date header and token check are off by this", {"seconds": 600}
    ),
}


class BadRule(ValueError):
    """A rule that makes no sense; the text says which and why."""


class Rule:
    """One checked rule and how often it acted."""

    def __init__(self, raw: object, position: int, now: float) -> None:
        where = f"rule {position}"
        if not isinstance(raw, dict) or raw.get("kind") not in KINDS:
            raise BadRule(f"{where}: kind must be one of {', '.join(KINDS)}")
        self.name: str = raw["kind"]
        self.kind = KINDS[self.name]
        unknown = set(raw) - _COMMON_KEYS - set(self.kind.parameters)
        if unknown:
            raise BadRule(f"{where} ({self.name}): unknown keys {sorted(unknown)}")
        on = raw.get("on") or self.kind.on
        self.on = (on,) if isinstance(on, str) else tuple(on)
        if bad := set(self.on) - {*_OPERATIONS, "any"}:
            raise BadRule(f"{where} ({self.name}): on knows no {sorted(bad)}")
        self.match: dict[str, Any] = dict(raw.get("match") or {})
        if bad := set(self.match) - _MATCH_KEYS:
            raise BadRule(f"{where} ({self.name}): match knows no {sorted(bad)}")
        nth = self.match.pop("nth", None)
        self.nth: tuple[int, ...] = () if nth is None else tuple(nth) if isinstance(nth, list) else (nth,)
        self.probability = float(raw.get("probability", 1.0))
        self.times: int | None = raw.get("times")
        self.until = now + float(raw["for_seconds"]) if raw.get("for_seconds") is not None else None
        self.parameters = {**self.kind.parameters, **{k: v for k, v in raw.items() if k not in _COMMON_KEYS}}
        self.raw = raw
        self.seen = 0
        self.acted = 0

    def __getitem__(self, name: str) -> Any:
        return self.parameters[name]

    @property
    def acting_phase(self) -> Phase:
        """Return when it acts; ``made`` and ``before`` move a kind to the work's answer or to before the work."""
        if self.parameters.get("made"):
            return "after"
        return "before" if self.parameters.get("before") else self.kind.phase

    def can_act_on(self, operation: str, subjects: Sequence[Attributes], now: float) -> bool:
        """Tell whether the rule is still in force, and meant for the operation and one of the subjects."""
        if self.until is not None and now >= self.until:
            return False
        if "any" not in self.on and operation not in self.on:
            return False
        return not self.match or any(self.is_matching(subject) for subject in subjects)

    def is_matching(self, subject: Attributes) -> bool:
        """Tell whether every key of ``match`` fits the subject; ``nth`` is not looked at."""
        for key, wanted in self.match.items():
            if key == "prompt_contains":
                if wanted not in (subject.get("prompt") or ""):
                    return False
            elif key == "model":
                if wanted not in (subject.get("model"), subject.get("model_name")):
                    return False
            elif subject.get(key) != wanted:
                return False
        return True

    def to_json(self) -> dict[str, Any]:
        """Return the rule as it was set, with how often it was asked and acted."""
        return {**self.raw, "seen": self.seen, "acted": self.acted}


class Faults:
    """The rules in force. Thread-safe."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._lock = threading.Lock()
        self._rules: list[Rule] = []
        self._random = random.Random(seed)

    def replace_rules(self, rules: Iterable[object], now: float) -> None:
        """Put these rules in the place of all others, and start the random numbers again."""
        checked = [Rule(raw, position, now) for position, raw in enumerate(rules, 1)]
        with self._lock:
            self._rules = checked
            self._random = random.Random(self._seed)

    def draw_rule(
        self,
        phase: Phase,
        operation: str,
        subjects: Sequence[Attributes],
        now: float,
        *,
        slow_only: bool = False,
    ) -> tuple[Rule | None, float]:
        """Return the rule of this phase that acts now, and the seconds by which ``slow`` delays.

        :param slow_only: the work was refused, so a fault of its answer waits for one that was not.
        """
        chosen: Rule | None = None
        delay = 0.0
        with self._lock:
            for rule in self._rules:
                slow = rule.name == "slow"
                if rule.acting_phase != phase or (not slow and (slow_only or chosen is not None)):
                    continue
                if not rule.can_act_on(operation, subjects, now) or not self._try_rule(rule):
                    continue
                if slow:
                    delay += float(rule["seconds"])
                else:
                    chosen = rule
        return chosen, delay

    def draw_task_rules(self, subject: Attributes, now: float) -> list[Rule]:
        """Return all rules that act on a task which is being made."""
        with self._lock:
            return [
                rule
                for rule in self._rules
                if rule.acting_phase == "task"
                and rule.can_act_on("create", [subject], now)
                and self._try_rule(rule)
            ]

    def _try_rule(self, rule: Rule) -> bool:
        rule.seen += 1
        if rule.nth and rule.seen not in rule.nth:
            return False
        if rule.times is not None and rule.acted >= rule.times:
            return False
        if self._random.random() >= rule.probability:
            return False
        rule.acted += 1
        return True

    def find_standing(self, name: str, subject: Attributes, now: float) -> Rule | None:
        """Return a rule of a ``standing`` kind that is in force for this subject."""
        with self._lock:
            for rule in self._rules:
                if rule.name == name and rule.can_act_on(rule.on[0], [subject], now):
                    return rule
        return None

    @property
    def has_rules(self) -> bool:
        """Return whether any rule was set."""
        return bool(self._rules)

    def to_json(self) -> list[dict[str, Any]]:
        """Return the rules as they were set, with how often each was asked and acted."""
        with self._lock:
            return [rule.to_json() for rule in self._rules]


def format_table() -> str:
    """Format the kinds as text, for ``--help`` and people."""
    lines = []
    for name, kind in KINDS.items():
        on = "any" if kind.on == _ALL else ",".join(kind.on)
        parameters = ", ".join(f"{key}={value!r}" for key, value in kind.parameters.items())
        lines.append(f"  {name:<23}{on:<13}{kind.text}{f' ({parameters})' if parameters else ''}")
    return "\n".join(lines)

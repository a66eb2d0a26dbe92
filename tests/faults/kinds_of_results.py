# SPDX-License-Identifier: Apache-2.0
"""The same faults for other results than videos: nine images of one task, a sound, and speech that is answered at once.

Images and sounds have the lock of videos. Speech has none, and no look-up either: a call whose outcome is unknown is sent again,
three times in all, as ``docs/guarantees.md`` says; more must not be paid, and one result must be delivered.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.faults.processes import talks_to
from tests.faults.scenario import Expect, Scenario
from tests.faults.stage import Stage
from tests.faults.user_actions import clear_finished
from tests.faults.worker_kills import in_call

#: Results of one kind that a scenario wants.
WANTED = 6


@dataclass(frozen=True)
class Kind:
    """What is made.

    :param name: in the names of scenarios.
    :param title: in the table.
    :param request: its type and settings.
    :param text_field: the field of the request that has the words.
    :param most_calls: how often one result may be paid.
    :param outputs: files of one result.
    """

    name: str
    title: str
    request: Mapping[str, Any]
    text_field: str = "prompt"
    most_calls: int = 1
    outputs: int = 1

    @property
    def is_answered_at_once(self) -> bool:
        return self.most_calls > 1


KINDS = (
    Kind("images", "nine images", {"type": "image_generation", "n": 9}, outputs=9),
    Kind("sound", "a sound", {"type": "text_to_audio", "duration": 3}),
    Kind(
        "speech",
        "speech",
        {"type": "tts", "voice_id": "oversea_male1", "voice_language": "en"},
        text_field="text",
        most_calls=3,
    ),
)


def kill_before_call(stage: Stage) -> None:
    """The first try of each dies as soon as it is seen, and before it is connected to Kling."""
    run = stage.start()
    killed: set[int] = set()

    def strike() -> bool:
        for index, (instance, _, task) in run.processes().items():
            if index in killed or instance.try_number > 1 or not task or talks_to(task, stage.sandbox.url):
                continue
            os.kill(task, signal.SIGKILL)
            killed.add(index)
        return len(killed) >= stage.scenario.videos

    run.until(strike, f"{stage.scenario.videos} workers to kill")
    stage.notes["killed"] = len(killed)
    stage.check(stage.creates == 0, f"{stage.creates} calls before the kills were over")
    run.finish()


def stops_say_what_to_do(stage: Stage) -> None:
    """After the third call whose outcome is unknown nothing more is sent."""
    run = stage.start()
    run.finish()
    reasons = run.reasons()
    stage.check(len(reasons) == WANTED, f"{len(reasons)} stops with a reason, must be {WANTED}")
    for text in reasons.values():
        stage.check(
            "3 calls were sent" in text and 'on_ambiguous="resubmit"' in text,
            f"a stop does not say how to go on: {text}",
        )


def each(name: str, kind: Kind, *faults: Mapping[str, Any]) -> list[dict[str, Any]]:
    """These faults for the first calls of each result: as many as the kind survives without a person."""
    times = max(1, kind.most_calls - 1)
    return [
        {"times": times, **fault, "match": {"prompt_contains": f"{name} film {number:02d}"}}
        for number in range(WANTED)
        for fault in (faults[number % len(faults)],)
    ]


def scenarios_of(kind: Kind) -> Iterator[Scenario]:
    """The lines of one kind."""

    def make(
        name: str,
        fault: str,
        *faults: Mapping[str, Any],
        play: Callable[[Stage], None] | None = None,
        most_creates: int | None = None,
        **more: Any,
    ) -> Scenario:
        name = f"{kind.name}-{name}"
        return Scenario(
            name=name,
            fault=f"{kind.title}: {fault}",
            play=play,
            request=kind.request,
            text_field=kind.text_field,
            videos=WANTED,
            sandbox={"short_side": 64},
            **{
                "faults": each(name, kind, *faults) if faults else (),
                "expect": Expect(most_paid=kind.most_calls, most_creates=most_creates, outputs=kind.outputs),
                **more,
            },
        )

    yield make(
        "lost",
        "answer lost, with and without a result",
        {"kind": "answer_lost_after"},
        {"kind": "answer_lost_before"},
    )
    yield make("cut", "the answer's body is cut in the middle", {"kind": "answer_cut"})
    yield make(
        "5000",
        "5000, with and without a result",
        {"kind": "error_after", "code": 5000},
        {"kind": "error_before", "code": 5000},
    )
    yield make(
        "timeout",
        "read time-out, with and without a result",
        {"kind": "slow", "seconds": 12, "before": True},
        {"kind": "slow", "seconds": 12},
        extra={"timeout": 3},
    )
    yield make(
        "kill-before",
        "SIGKILL of the worker before the paid call",
        play=kill_before_call,
        most_creates=WANTED,
    )
    yield make(
        "kill-during",
        "SIGKILL of the worker during the paid call, before Kling works",
        {"kind": "slow", "seconds": 20, "before": True, "times": 1},
        play=in_call(),
    )
    yield make(
        "kill-answer",
        "SIGKILL of the worker after Kling worked, before the answer",
        {"kind": "slow", "seconds": 20, "times": 1},
        play=in_call(),
    )
    yield make(
        "kill-after",
        "SIGKILL of the worker after the paid call, in the download",
        play=in_call(later_phase=not kind.is_answered_at_once),
        dag="saves",
        files=True,
        faults=[{"kind": "slow", "on": "download", "seconds": 4}],
        most_creates=WANTED,
    )
    yield make("cleared", "finished tasks cleared", play=clear_finished, most_creates=WANTED)
    if kind.is_answered_at_once:
        yield make(
            "stops",
            "the third answer is lost as well; stops",
            {"kind": "answer_lost_after", "times": 3},
            play=stops_say_what_to_do,
            expect=Expect(
                failed=WANTED,
                undelivered=WANTED,
                tasks=3 * WANTED,
                most_paid=3,
                lost=WANTED,
                most_creates=3 * WANTED,
            ),
        )


SCENARIOS = tuple(scenario for kind in KINDS for scenario in scenarios_of(kind))

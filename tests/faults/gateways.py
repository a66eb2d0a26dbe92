# SPDX-License-Identifier: Apache-2.0
"""Hosts and models without a lock: nobody there refuses a second create, so nothing is sent again after an ambiguous response."""

from __future__ import annotations

from typing import Any

from tests.faults.scenario import HELD, Expect, Scenario
from tests.faults.stage import Run, Stage
from tests.faults.user_actions import stops_say_how_to_go_on
from tests.faults.worker_kills import kill_in_call

GATEWAY: dict[str, Any] = {"profile": "gateway"}
#: DMXAPI as it is in 2026: ``POST /v1/responses`` alone, with ids of its own.
RESPONSES: dict[str, Any] = {"profile": "gateway", "shape": "dmxapi-responses"}
DMXAPI = {"profile": "dmxapi"}


def stopped(stage: Stage, run: Run) -> list[int]:
    """The instances that stopped after an ambiguous response, each with a way to go on."""
    reasons = run.reasons()
    failed = [one for one in run.instances() if one.state == "failed"]
    stage.check(len(reasons) == len(failed), f"{len(failed)} failed, {len(reasons)} say why")
    stage.check(all(one.try_number <= 2 for one in failed), "a stop was retried")
    stops_say_how_to_go_on(stage, reasons)
    stage.notes["stops"] = len(failed)
    stage.check(failed, "no response was ambiguous")
    return [one.map_index for one in failed]


def adopt(stage: Stage, run: Run, indexes: list[int]) -> None:
    """What the stop advises: look the task up at the host, write its id into the request, clear."""
    there = {str(task.request.prompt): stage.id_at_host(task) for task in stage.sandbox.backend.all()}
    rows = stage.rows()
    for index in indexes:
        rows[index]["adopt"] = there[rows[index]["prompt"]]
    stage.write_rows(rows)
    stage.stack.api.clear(run.dag_id, run.run_id, ["rows", *(("video", index) for index in indexes)])
    run.finish()


def stop_and_adopt(stage: Stage) -> None:
    run = stage.start()
    run.finish()
    adopt(stage, run, stopped(stage, run))


def only_stop(stage: Stage) -> None:
    """Nothing was made, but nobody here can know that."""
    run = stage.start()
    run.finish()
    found = stopped(stage, run)
    stage.check(len(found) == stage.scenario.videos - stage.made, "somebody stopped for nothing")


def killed_in_call(stage: Stage) -> None:
    run = stage.start()
    kill_in_call(run, 10)
    run.finish()
    adopt(stage, run, stopped(stage, run))


def cleared(stage: Stage) -> None:
    """Everything is cleared when it is finished: the record knows the task."""
    run = stage.start()
    run.finish()
    run.clear_videos()
    run.finish()


def next_run(stage: Stage) -> None:
    """Everything is marked failed while it renders; the next run, not a retry, finds what was paid."""
    run = stage.start()
    run.wait_for_videos()
    run.mark("failed", range(stage.scenario.videos))
    run.finish()
    stage.end_of_all_tasks()
    stage.check(not stage.saved(), "a file was saved in spite of the mark")
    stage.start().finish()


def refused_and_adopt(stage: Stage) -> None:
    """The create is refused as a duplicate, and nobody can find what it duplicates."""
    run = stage.start()
    run.finish()
    reasons = run.reasons()
    stage.notes["stops"] = len(reasons)
    stage.check(reasons, "no response was ambiguous")
    for text in reasons.values():
        stage.check(
            "adopt" in text and "raise take (now 0)" in text, f"a stop does not say how to go on: {text}"
        )
    adopt(stage, run, list(reasons))


SCENARIOS = (
    Scenario(
        name="gateway-lost",
        fault="no lock: answer lost after the task was made; then adopt",
        play=stop_and_adopt,
        sandbox=GATEWAY,
        faults=[{"kind": "answer_lost_after", "probability": 0.4}],
        expect=Expect(most_creates=20),
    ),
    Scenario(
        name="gateway-lost-before",
        fault="no lock: answer lost before anything was made; stops",
        play=only_stop,
        sandbox=GATEWAY,
        faults=[{"kind": "answer_lost_before", "match": {"nth": [2, 6, 10, 14, 18]}}],
        expect=Expect(failed=5, undelivered=5, tasks=15, most_creates=20),
    ),
    Scenario(
        name="gateway-resubmit",
        fault='no lock: lost before, on_ambiguous="resubmit"',
        dag="resubmits",
        sandbox=GATEWAY,
        faults=[{"kind": "answer_lost_before", "match": {"nth": [2, 6, 10, 14, 18]}}],
        expect=Expect(most_creates=25),
    ),
    Scenario(
        name="gateway-killed",
        fault="no lock: SIGKILL of the worker during the paid call; then adopt",
        play=killed_in_call,
        sandbox=GATEWAY,
        faults=[{"kind": "slow", "seconds": 6, "before": True, "times": 10}],
        expect=Expect(most_creates=20),
    ),
    Scenario(
        name="gateway-1303",
        fault="no lock, no list: 1303, limit 5",
        sandbox={**GATEWAY, "concurrency": 5, "render_seconds": 6},
    ),
    Scenario(
        name="gateway-cleared",
        fault="no lock: finished tasks cleared",
        play=cleared,
        sandbox=GATEWAY,
        expect=Expect(most_creates=20),
    ),
    Scenario(
        name="gateway-next-run",
        fault="no lock, once per Dag: a run ends before it saves; the next run",
        dag="daily",
        files=True,
        play=next_run,
        sandbox={**GATEWAY, "render_seconds": HELD},
        expect=Expect(failed=20, most_creates=20),
    ),
    Scenario(
        name="responses-lost",
        fault="DMXAPI's responses route: answer lost after the task was made; then adopt",
        play=stop_and_adopt,
        sandbox=RESPONSES,
        extra=DMXAPI,
        faults=[{"kind": "answer_lost_after", "probability": 0.4}],
        expect=Expect(most_creates=20),
    ),
    Scenario(
        name="responses-accepted",
        fault="DMXAPI's responses route: accepted creates within an HTTP 400",
        sandbox=RESPONSES,
        extra=DMXAPI,
        faults=[
            {"kind": "accepted_with_400", "place": "message", "match": {"nth": [1, 5, 9, 13, 17]}},
            {"kind": "accepted_with_400", "place": "beside", "match": {"nth": [2, 6, 10, 14, 18]}},
        ],
        expect=Expect(most_creates=20),
    ),
    Scenario(
        name="responses-killed",
        fault="DMXAPI's responses route: SIGKILL of the worker during the paid call; then adopt",
        play=killed_in_call,
        sandbox=RESPONSES,
        extra=DMXAPI,
        faults=[{"kind": "slow", "seconds": 6, "before": True, "times": 10}],
        expect=Expect(most_creates=20),
    ),
    Scenario(
        name="responses-fails",
        fault="DMXAPI's responses route: five tasks fail, told with an HTTP 400; the retry is the next attempt",
        sandbox=RESPONSES,
        extra=DMXAPI,
        request={"model": "kling-v3-video-generation"},
        faults=[
            {"kind": "task_fails", "message": "Internal render error", "match": {"nth": [1, 5, 9, 13, 17]}},
            {"kind": "failed_with_400"},
        ],
        expect=Expect(tasks=25, most_creates=25),
    ),
    Scenario(
        name="responses-cleared",
        fault="DMXAPI's responses route: finished tasks cleared",
        play=cleared,
        sandbox=RESPONSES,
        extra=DMXAPI,
        request={"model": "kling-2.6", "duration": 5},
        expect=Expect(most_creates=20),
    ),
    Scenario(
        name="model-no-id",
        fault="a model without a lock (Kling 4.0): answers lost; then adopt",
        play=stop_and_adopt,
        request={"model": "kling-4.0"},
        faults=[{"kind": "answer_lost_after", "probability": 0.4}],
        expect=Expect(most_creates=20),
    ),
    Scenario(
        name="ids-ignored",
        fault="a host that ignores external ids: finished tasks cleared",
        play=cleared,
        faults=[{"kind": "ids_ignored"}],
        expect=Expect(most_creates=20),
    ),
    Scenario(
        name="ids-not-echoed",
        fault="a host that never names external ids: answers lost; then adopt",
        play=refused_and_adopt,
        faults=[{"kind": "external_id_not_echoed"}, {"kind": "answer_lost_after", "probability": 0.4}],
    ),
)

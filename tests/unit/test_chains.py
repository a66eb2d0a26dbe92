# SPDX-License-Identifier: Apache-2.0
"""Chains of operators against the sandbox: each step is paid once, a cleared chain pays nothing, a new first step pays for all."""

from __future__ import annotations

import contextlib
import json
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import TaskDeferred
from airflow.sdk import DAG, task, task_group

from kling_provider.exceptions import KlingRequestError, KlingServerError
from kling_provider.operators.kling import KlingGenerateOperator, KlingSubmitOperator
from kling_provider.sandbox import Sandbox
from kling_provider.submission import state_machine
from tests.unit.instance import Instance

FIRST = {"prompt": "A paper boat", "duration": 3, "name": "boat"}
SECOND = {"type": "omni_video", "prompt": "The same boat by night", "duration": 3, "name": "night"}


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    for name in ("LOOKS", "DUPLICATE_LOOKS", "BACKOFF"):
        monkeypatch.setattr(state_machine, name, (0.0,))
    with Sandbox(time_scale=1, render_seconds=10) as running:
        connection = {
            "conn_type": "kling",
            "host": running.base_url,
            "password": running.api_key,
            "extra": {"profile": "kling"},
        }
        monkeypatch.setenv("AIRFLOW_CONN_KLING_DEFAULT", json.dumps(connection))
        yield running


def made(sandbox: Sandbox) -> int:
    return int(sandbox.stats()["creates"]["made"])


def context(instance: Instance) -> Any:
    return {**instance.context, "outlet_events": defaultdict(lambda: SimpleNamespace(extra={}))}


class Chain:
    """Two steps in one folder; each run of a step is a task instance."""

    def __init__(self, sandbox: Sandbox, folder: Path) -> None:
        self.sandbox = sandbox
        self.folder = folder
        self.instances: dict[tuple[str, str], Instance] = {}

    def run(self, *, run_id: str = "monday", take: int = 0, inputs: Any = None) -> tuple[Any, Any]:
        first = self.step("first", run_id, {**FIRST, "take": take}, None)
        return first, self.step("second", run_id, SECOND, inputs or {"reference_video": first})

    def step(self, task_id: str, run_id: str, request: dict[str, Any], inputs: Any) -> Any:
        instance = self.instances.setdefault((task_id, run_id), Instance(task_id, run_id=run_id))
        operator = KlingGenerateOperator(
            task_id=task_id,
            request=request,
            inputs=json.loads(json.dumps(inputs)),
            destination=str(self.folder),
            pay_once_per="dag",
        )
        try:
            return operator.execute(context(instance))
        except TaskDeferred as deferred:
            self.sandbox.advance(60)
            event = {"kling_task_id": instance.xcoms["kling"]["kling_task_id"], "status": "succeeded"}
            return operator.execute_complete(context(instance), event, **dict(deferred.kwargs or {}))

    def clear(self) -> None:
        for instance in self.instances.values():
            instance.ti.try_number += 1
            instance.ti.max_tries += 4
            instance.clear_number += 1


@pytest.fixture
def chain(sandbox: Sandbox, tmp_path: Path) -> Chain:
    return Chain(sandbox, tmp_path)


def test_a_chain_pays_each_step_once_whatever_is_cleared(chain: Chain) -> None:
    first, second = chain.run()
    assert made(chain.sandbox) == 2
    chain.clear()
    again = chain.run()
    assert [one["kling_task_id"] for one in again] == [first["kling_task_id"], second["kling_task_id"]]
    assert made(chain.sandbox) == 2
    # Another run delivers what exists, though this result has no link any more.
    later = chain.run(run_id="tuesday")
    assert later[0]["outputs"][0]["url"] is None
    assert later[1]["kling_task_id"] == second["kling_task_id"]
    assert made(chain.sandbox) == 2


def test_a_new_first_step_is_paid_and_so_is_what_follows(chain: Chain) -> None:
    _, second = chain.run()
    chain.clear()
    _, another = chain.run(take=1)
    assert another["kling_task_id"] != second["kling_task_id"]
    assert made(chain.sandbox) == 4
    chain.clear()
    assert chain.run(take=1)[1]["kling_task_id"] == another["kling_task_id"]
    assert made(chain.sandbox) == 4


def test_no_link_of_an_input_is_kept_anywhere(chain: Chain, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    first, _ = chain.run()
    link = first["outputs"][0]["url"]
    query = link.partition("?")[2]
    assert len(query) > 20
    instance = chain.instances["second", "monday"]
    shown = f"output 1 of Kling task {first['kling_task_id']} ({chain.folder}/boat.mp4)"
    manifest = (chain.folder / "night.kling.json").read_text()
    for told in (manifest, str(instance.store), str(instance.xcoms)):
        assert shown in told
    ours = "\n".join(one.getMessage() for one in caplog.records if one.name.startswith("kling_provider"))
    assert shown in ours
    for told in (manifest, str(instance.store), str(instance.xcoms), ours):
        assert query not in told
    (body,) = [one for one in chain.sandbox.requests() if "omni" in one["path"] and one["method"] == "POST"]
    assert link in json.dumps(body)


def test_a_submitted_task_is_read_at_kling(chain: Chain, sandbox: Sandbox) -> None:
    instance = Instance("submit")
    kling_task_id = KlingSubmitOperator(task_id="submit", request=FIRST).execute(context(instance))
    with pytest.raises(KlingServerError, match=r"An input must be a finished task; .* Put a KlingTaskSensor"):
        chain.step("second", "monday", SECOND, {"reference_video": kling_task_id})
    assert "kling_task_id" not in chain.instances["second", "monday"].xcoms["kling"] or (
        chain.instances["second", "monday"].xcoms["kling"]["kling_task_id"] is None
    )
    sandbox.advance(60)
    by_id = chain.step("second", "monday", SECOND, {"reference_video": kling_task_id})
    named = {"kling_task_id": kling_task_id, "type": "text_to_video"}
    assert chain.step("second", "tuesday", SECOND, {"reference_video": named}) is not None
    assert made(sandbox) == 2
    assert by_id["status"] == "succeeded"
    with pytest.raises(
        KlingRequestError, match="An input must be a task that Kling knows, and nothing was sent"
    ):
        chain.step("second", "friday", SECOND, {"reference_video": "858100000000000009"})


def test_a_result_without_a_link_gets_a_fresh_one_where_kling_still_has_it(
    chain: Chain, caplog: pytest.LogCaptureFixture
) -> None:
    """What was delivered from its file carries no link; another second step needs one."""
    caplog.set_level("INFO")
    chain.run()
    delivered = chain.step("first", "tuesday", FIRST, None)
    assert delivered["outputs"][0]["url"] is None
    other = {**SECOND, "prompt": "The same boat in the snow"}
    snow = chain.step("second", "tuesday", other, {"reference_video": delivered})
    assert snow["status"] == "succeeded"
    assert made(chain.sandbox) == 3
    # At a task that Kling has no more, the file is all there is, and this one is the worker's.
    lost = json.loads(json.dumps(delivered).replace(delivered["kling_task_id"], "858100000000000009"))
    with pytest.raises(KlingRequestError, match="must not be a path of the worker") as wrong:
        chain.step("second", "friday", {**other, "name": "lost"}, {"reference_video": lost})
    assert "this result carries no link to it" in str(wrong.value)
    assert made(chain.sandbox) == 3
    assert sorted(one.name for one in chain.folder.glob("lost*")) == []


def test_a_plan_says_that_an_input_cannot_be_sent(chain: Chain) -> None:
    first = chain.step("first", "monday", FIRST, None)
    gone = json.loads(json.dumps(first).replace(first["expires_at"], "2026-01-01T00:00:00+00:00"))
    operator = KlingSubmitOperator(
        task_id="plan", request=SECOND, inputs={"reference_video": gone}, plan_only=True
    )
    with pytest.raises(KlingRequestError, match="its link expired on 01 January 2026"):
        operator.execute(context(Instance("plan")))


# -- as Airflow resolves them ---------------------------------------------------------------------------------------


def test_inputs_make_the_task_wait_for_those_that_make_them() -> None:
    with DAG("films", schedule=None, start_date=datetime(2026, 1, 1)):
        first = KlingGenerateOperator(task_id="first", request=FIRST)
        plain = KlingGenerateOperator(
            task_id="plain", request=SECOND, inputs={"reference_video": first.output}
        )
        chosen = {"reference_video": {"result": first.output, "output": 1}}
        within = KlingGenerateOperator(task_id="within", request=SECOND, inputs=chosen)
        mapped = KlingGenerateOperator.partial(task_id="mapped", request=SECOND).expand(
            inputs=first.output.map(lambda one: {"reference_video": one})
        )
        together = KlingGenerateOperator.partial(task_id="together").expand_kwargs(
            [{"request": SECOND, "inputs": {"reference_video": first.output}}]
        )

        @task.kling(inputs={"reference_video": first.output})
        def decorated() -> dict[str, Any]:
            return SECOND

        made_by_function = decorated().operator

        @task_group
        def each(prompt: str) -> None:
            one = KlingGenerateOperator(task_id="one", request={"prompt": prompt})
            KlingGenerateOperator(task_id="two", request=SECOND, inputs={"reference_video": one.output})

        each.expand(prompt=["a", "b"])
    for after in (plain, within, mapped, together, made_by_function):
        assert after.upstream_task_ids == {"first"}
    assert "inputs" in made_by_function.template_fields


@pytest.mark.parametrize("inputs", ["first", 5, [{"reference_video": 1}], {1: "x"}])
def test_what_is_no_mapping_is_refused_where_the_dag_is_parsed(inputs: Any) -> None:
    with pytest.raises(KlingRequestError, match="inputs must be a mapping of fields to results such as"):
        KlingGenerateOperator(task_id="x", request=SECOND, inputs=inputs)
    with pytest.raises(KlingRequestError, match="inputs must be a mapping"), DAG("d", schedule=None):
        KlingGenerateOperator.partial(task_id="x", request=SECOND, inputs=inputs)


LINK = "https://v16.example/a.mp4?cacheKey=s3cr3t&x-kcdn-pid=1&ksSecret=s3cr3t&ksTime=1"
RESULT = {
    "kling_task_id": "858100000000000001",
    "status": "succeeded",
    "outputs": [{"type": "video", "url": LINK}],
}


@pytest.mark.parametrize(
    "request_",
    [
        {"type": "omni_video", "reference_video": RESULT},
        {"type": "omni_video", "reference_video": RESULT["outputs"]},
        {"type": "omni_video", "reference_images": [RESULT]},
        {"type": "omni_video", "reference_images": [{"image": RESULT}]},
        {"type": "omni_video", "reference_images": {"image": LINK}},
        {"type": "omni_video", "video": str(RESULT)},
        {"type": "omni_video", "reference_vidoe": LINK},
        {"type": "video_extend", "video_id": RESULT},
        {"type": "video_extend", "video_id": LINK},
        {"type": "multi_elements", "selections": [RESULT]},
        {"type": "omni_video", "prompt": RESULT},
        {"type": "no such type", "session_id": RESULT},
    ],
)
def test_a_result_where_it_does_not_belong_shows_no_link(
    request_: dict[str, Any], sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    """As the input that a user forgets to write as ``inputs``."""
    caplog.set_level("DEBUG")
    instance, operator = Instance(), KlingGenerateOperator(task_id="x", request=request_)
    operator.render_template_fields({})
    told = [str(operator.request.serialize()), repr(operator.request)]  # type: ignore[attr-defined]
    operator.pre_execute({})
    with contextlib.suppress(KlingRequestError, TaskDeferred):
        operator.execute(context(instance))
    ours = [one.getMessage() for one in caplog.records if one.name.startswith("kling_provider")]
    assert "s3cr3t" not in str([*told, *ours, instance.xcoms, instance.store])


@pytest.mark.parametrize("inputs", [[RESULT], str(RESULT), RESULT, [[LINK]], LINK])
def test_inputs_that_are_no_mapping_show_no_link_before_they_are_refused(
    inputs: Any, sandbox: Sandbox
) -> None:
    """As ``inputs=tasks.output`` of a mapped task, which is known only on the worker."""
    with DAG("films", schedule=None, start_date=datetime(2026, 1, 1)):
        tasks = KlingGenerateOperator(task_id="tasks", request=FIRST)
        operator = KlingGenerateOperator(task_id="x", request=SECOND, inputs=tasks.output)
    operator.inputs = inputs
    operator._change_requests("wrap_requests")
    assert "s3cr3t" not in f"{operator.inputs!r} {operator.inputs.serialize()}"  # type: ignore[union-attr]
    operator.pre_execute({})
    assert operator.inputs == inputs
    with pytest.raises(KlingRequestError, match="must be a mapping of fields to results"):
        operator.execute(context(Instance("x")))


def test_rendered_inputs_are_masked_until_the_task_runs() -> None:
    link = "https://v16.example/a.mp4?ksSecret=s3cr3t&ksTime=1"
    result = {"kling_task_id": "858100000000000001", "outputs": [{"type": "video", "url": link}]}
    operator = KlingGenerateOperator(
        task_id="x", request={**SECOND, "prompt": "{{ run_id }}"}, inputs={"reference_video": result, "y": "{{ run_id }}"}
    )  # fmt: skip
    operator.render_template_fields({"run_id": "monday"})
    assert "s3cr3t" not in repr(operator.inputs)
    assert operator.inputs.serialize() == {  # type: ignore[union-attr]
        "reference_video": "output 1 of Kling task 858100000000000001",
        "y": "monday",
    }
    operator.pre_execute({})
    assert operator.inputs == {"reference_video": result, "y": "monday"}

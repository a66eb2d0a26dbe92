# SPDX-License-Identifier: Apache-2.0
"""The prompt-file DAG over some days: files come, change, and are paid for once."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.stack.promises.world import Run, World

# The first test waits for its scene, and all scenes play side by side.
pytestmark = pytest.mark.timeout(900)

REPOSITORY = Path(__file__).parents[2]


@dataclass
class Day:
    """One run, or one clear of a run: how it ended, what was delivered, and what it cost."""

    state: str
    results: dict[str, dict[str, Any]]
    labels: list[str]
    paid: int
    calls: int


@dataclass
class Month:
    """All days, and what lies in the folder of the videos after the last."""

    days: dict[str, Day] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)


def ten_files(world: World) -> Month:
    dag_id = "promises_ten"
    prompts = world.prompt_dag(dag_id, REPOSITORY)
    (prompts / "defaults.yaml").write_text("duration: 3\n")
    for number in range(10):
        write(prompts, f"b{number}")
    month = Month()

    def day(name: str, run: Run) -> Run:
        state = run.end()
        before = list(month.days.values())
        videos = run.instances("video")
        results = [run.xcom("video", one["map_index"]) for one in videos]
        month.days[name] = Day(
            state=state,
            results={one["name"]: one for one in results if one},
            labels=[one["rendered_map_index"] for one in videos],
            paid=len(world.kling.tasks("of ten files")) - sum(one.paid for one in before),
            calls=len(world.kling.creates("of ten files")) - sum(one.calls for one in before),
        )
        return run

    day("first", world.run(dag_id, plan_only=False))
    second = day("second", world.run(dag_id, plan_only=False))
    write(prompts, "a0")  # sorts before all others, so every map index moves
    second.clear()
    day("inserted", second)
    write(prompts, "b5", take=1)
    second.clear("load_prompts", "budget", "video")
    day("take raised", second)
    month.files = sorted(path.name for path in (world.videos / dag_id).iterdir())
    return month


def write(folder: Path, name: str, take: int = 0) -> None:
    (folder / f"{name}.md").write_text(f"---\ntake: {take}\n---\nNumber {name} of ten files.\n")


@pytest.mark.parametrize("facts", [ten_files], indirect=True)
def test_a_run_pays_for_what_is_new_or_changed(facts: Month) -> None:
    assert {name: day.state for name, day in facts.days.items()} == dict.fromkeys(facts.days, "success")
    assert {name: (day.calls, day.paid) for name, day in facts.days.items()} == {
        "first": (10, 10),
        "second": (0, 0),
        "inserted": (1, 1),
        "take raised": (1, 1),
    }
    ten = [f"b{number}" for number in range(10)]
    assert sorted(facts.days["first"].results) == ten
    assert facts.days["inserted"].labels == ["a0", *ten]
    stems = ["a0", *ten, "b5.take1"]
    videos = [f"{stem}.mp4" for stem in stems]
    assert [name for name in facts.files if name.endswith(".mp4")] == sorted(videos)
    assert [name for name in facts.files if name.endswith(".json")] == sorted(
        f"{one}.kling.json" for one in stems
    )


@pytest.mark.parametrize("facts", [ten_files], indirect=True)
def test_the_others_are_delivered_as_they_are(facts: Month) -> None:
    first, last = facts.days["first"].results, facts.days["take raised"].results
    assert sorted(last) == ["a0", *sorted(first)]
    for name, before in first.items():
        after = last[name]
        same = [key for key in ("kling_task_id", "external_task_id", "take") if after[key] == before[key]]
        assert same == ([] if name == "b5" else ["kling_task_id", "external_task_id", "take"])
        assert after["outputs"][0]["file"]
        assert after["adopted"] is (name != "b5")


@dataclass
class Chosen:
    state: str
    labels: list[str]
    results: list[dict[str, Any]]


def only_two(world: World) -> Chosen:
    """The example DAG as it is, with the folder it comes with."""
    run = world.run("kling_prompt_files", only="espresso, lanterns/s*", plan_only=False)
    state = run.end()
    videos = run.instances("video")
    results = [run.xcom("video", one["map_index"]) for one in videos]
    return Chosen(state, [one["rendered_map_index"] for one in videos], results)


@pytest.mark.airflow_version
@pytest.mark.parametrize("facts", [only_two], indirect=True)
def test_a_run_for_some_of_the_prompts(facts: Chosen) -> None:
    assert facts.state == "success"
    assert facts.labels == ["espresso", "lanterns/sky"]
    assert [one["name"] for one in facts.results] == facts.labels
    assert all(
        Path(one["outputs"][0]["file"].removeprefix("file://")).stat().st_size for one in facts.results
    )


@dataclass
class Mistaken:
    state: str
    states: dict[str, str | None]
    tries: int
    said: str
    calls: int


def five_mistakes(world: World) -> Mistaken:
    prompts = world.prompt_dag("promises_mistakes", REPOSITORY)
    (prompts / "good.md").write_text("A folder with five mistakes.\n")
    (prompts / "key.md").write_text("---\naspect_ration: '16:9'\n---\nA folder with five mistakes.\n")
    (prompts / "long.md").write_text("---\nduration: 20\n---\nA folder with five mistakes.\n")
    (prompts / "shape.yaml").write_text("- prompt: A folder with five mistakes.\n  aspect_ratio: 4:3\n")
    (prompts / "empty.md").write_text("---\nduration: 5\n---\n")
    (prompts / "broken.json").write_text('{"prompt": "A folder with five mistakes."')
    run = world.run("promises_mistakes")
    state = run.end()
    [loader] = run.instances("load_prompts")
    said = [str(entry) for entry in run.entries("load_prompts") if entry.get("level") == "error"]
    return Mistaken(
        state,
        run.states(),
        loader["try_number"],
        "\n".join(said),
        len(world.kling.creates("five mistakes")),
    )


@pytest.mark.parametrize("facts", [five_mistakes], indirect=True)
def test_all_mistakes_of_a_folder_are_told_before_anything_is_paid(facts: Mistaken) -> None:
    assert facts.state == "failed"
    assert facts.states["load_prompts"] == "failed"
    assert facts.tries == 1
    for words in (
        "key.md:2: aspect_ration",
        "long.md:2: duration",
        "shape.yaml:2: aspect_ratio",
        "empty.md",
        "broken.json",
    ):
        assert words in facts.said
    assert facts.calls == 0


TEXTS = {
    "code": "Macro shot of code that loops: {% for %} in green, of texts.",
    "leak": "A poster with the words {{ conn.kling_default.password }}, of texts.",
    "sign": "A neon sign that reads {{ brand }}, of texts.",
    "tag": "A wall with the hashtag {# teaser #}, of texts.",
}
DAG_OF_TEXTS = """
from datetime import datetime

from airflow.sdk import DAG, task

from kling_provider.operators.kling import KlingGenerateOperator
from kling_provider.prompts import load_prompts

with DAG("promises_texts", schedule=None, start_date=datetime(2026, 1, 1), catchup=False):
    KlingGenerateOperator.partial(task_id="at_parse_time").expand(request=load_prompts({folder!r}))
    KlingGenerateOperator.partial(task_id="in_a_task").expand(request=task(load_prompts)({folder!r}))
"""


@dataclass
class Texts:
    """How the run ended, what each task's instances say they made, and what reached Kling."""

    state: str
    told: dict[str, list[str]]
    paid: list[str]


def texts_at_parse_time(world: World) -> Texts:
    folder = Path(world.stack.environment["AIRFLOW__CORE__DAGS_FOLDER"]) / "promises_texts"
    (folder / "prompts").mkdir(parents=True)
    for name, text in TEXTS.items():
        (folder / "prompts" / f"{name}.md").write_text(text)
    (folder / "dag.py").write_text(DAG_OF_TEXTS.format(folder=str(folder / "prompts")))
    run = world.run("promises_texts")
    state = run.end()
    told = {
        task_id: [run.xcom(task_id, number)["prompt"] for number in range(len(TEXTS))]
        for task_id in ("at_parse_time", "in_a_task")
    }
    return Texts(state, told, sorted(task["prompt"] for task in world.kling.tasks("of texts")))


@pytest.mark.parametrize("facts", [texts_at_parse_time], indirect=True)
def test_a_text_with_braces_reaches_kling_as_it_was_written(facts: Texts) -> None:
    assert facts.state == "success"
    written = list(TEXTS.values())
    assert facts.told == {"at_parse_time": written, "in_a_task": written}
    assert facts.paid == sorted(written * 2)

# SPDX-License-Identifier: Apache-2.0
"""A value that is no value, no text, or not what it looks like is refused, or read as meant, before it is paid."""

from __future__ import annotations

import json
from collections import ChainMap, UserDict
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import TaskDeferred
from airflow.sdk import DAG
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

try:
    from kling_provider.api.parsing import parse_request
    from kling_provider.api.requests.video import ImageToVideo, TextToVideo
except ImportError:  # their place in the first release
    from kling_provider.api.requests import ImageToVideo, TextToVideo, parse_request
from kling_provider.decorators.kling import kling_task
from kling_provider.exceptions import KlingError, KlingRequestError
from kling_provider.hooks.kling import KlingHook
from kling_provider.operators.kling import KlingDownloadOperator, KlingGenerateOperator, KlingSubmitOperator
from kling_provider.prompts import load_prompts
from kling_provider.sandbox import Sandbox
from kling_provider.sensors.kling import KlingTaskSensor
from tests.regressions.renamed import validate_request
from tests.unit.instance import Instance


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    with Sandbox() as running:
        connection = {"conn_type": "kling", "host": running.base_url, "password": running.api_key}
        monkeypatch.setenv("AIRFLOW_CONN_KLING_DEFAULT", json.dumps(connection))
        yield running


@pytest.fixture
def connected(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection of the legacy API, which has all fields; nothing listens there."""
    connection = {
        "conn_type": "kling",
        "host": "http://127.0.0.1:9",
        "password": "k",
        "extra": {"api": "legacy"},
    }
    monkeypatch.setenv("AIRFLOW_CONN_KLING_DEFAULT", json.dumps(connection))


def submit(request: Any) -> None:
    KlingSubmitOperator(task_id="video", request=request).execute(Instance().context)  # type: ignore[arg-type]


def is_storable(text: str) -> bool:
    """Whether a log, a JSON column and PostgreSQL take it."""
    return not any(sign in text for sign in (chr(0), *map(chr, range(0xD800, 0xE000))))


def made(sandbox: Sandbox) -> int:
    return int(sandbox.stats()["creates"]["made"])


NAN = float("nan")


@pytest.mark.parametrize(
    "request_",
    [
        {"prompt": NAN},
        {"prompt": "A panda", "name": NAN},
        {"prompt": "A panda", "negative_prompt": NAN},
        {"prompt": "A panda", "elements": [{"element_id": NAN}]},
        {"prompt": float("inf")},
        {"prompt": "None"},
        {"prompt": "nan"},
        {"prompt": "A panda", "adopt": "None"},
        {"prompt": "A panda", "external_task_id": "nan"},
        {"prompt": "A panda\x00"},
        {"prompt": "A panda \ud83d"},
        {"prompt": "A panda", "name": "a\x1bb"},
        {"prompt": "A panda", "\ud83d": 1},
    ],
    ids=repr,
)
def test_what_is_no_value_is_refused_before_it_is_paid(request_: dict[str, Any], sandbox: Sandbox) -> None:
    with pytest.raises(KlingError) as refused:
        submit(request_)
    assert isinstance(refused.value, KlingRequestError), refused.value
    assert is_storable(str(refused.value))
    assert made(sandbox) == 0


@pytest.mark.parametrize("sign", ["\x00", "\x1b", "\x7f", "\x85", "\ud83d", chr(0xDC00)])
@pytest.mark.parametrize(
    "place",
    [
        lambda text: {"prompt": text},
        lambda text: {"prompt": "A panda", "negative_prompt": text, "model": "kling-v1"},
        lambda text: {"type": "image_to_video", "first_frame": f"/images/{text}.png"},
        lambda text: {"prompt": "x", "multi_shot": True, "multi_prompt": [{"index": 1, "prompt": text, "duration": 5}]},
    ],
)  # fmt: skip
def test_what_no_database_takes_is_named_with_its_code(place: Any, sign: str, connected: None) -> None:
    with pytest.raises(KlingRequestError, match=f"U\\+{ord(sign):04X}") as refused:
        validate_request(KlingHook(), place(f"A {sign} b"))
    assert str(refused.value).isprintable()


@given(text=st.text(st.characters(), max_size=20))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_text_is_refused_or_can_be_stored(text: str, connected: None) -> None:
    try:
        request = validate_request(KlingHook(), {"prompt": f"A {text}", "name": text or "x"})
    except KlingRequestError as error:
        assert is_storable(str(error))  # noqa: PT017 - either way out is right
        return
    assert is_storable(f"{request.prompt}{request.name}")


@pytest.mark.parametrize(
    "request_",
    [
        lambda: TextToVideo(prompt="A panda", duration=20),
        lambda: TextToVideo(prompt="   "),
        lambda: TextToVideo.model_construct(prompt="A \x00", model="kling-3.0"),
        lambda: TextToVideo(prompt="A panda", model="kling-2.6", audio="native"),
    ],
)
def test_the_hook_checks_a_model_as_it_checks_a_mapping(request_: Any, sandbox: Sandbox) -> None:
    with pytest.raises(KlingRequestError):
        KlingHook().submit(request_(), external_task_id=None)
    assert not any(sandbox.stats()["creates"].values()), "it was sent"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ({"name": 7.0}, {"name": "7"}),
        ({"watermark": "1.0"}, {"watermark": True}),
        ({"multi_shot": "0.0"}, {"multi_shot": False}),
        ({"adopt": 12345.0}, {"adopt": "12345"}),
        ({"elements": [{"element_id": 321.0}]}, {"elements": [{"element_id": "321"}]}),
    ],
    ids=repr,
)
def test_a_whole_number_written_as_a_float_is_that_number(
    written: dict[str, Any], meant: dict[str, Any]
) -> None:
    base = {"prompt": "A panda"}
    try:
        found = parse_request({**base, **written}).model_dump()
    except ValueError as error:
        pytest.fail(f"refused: {error}")
    assert found == parse_request({**base, **meant}).model_dump()


@pytest.mark.parametrize("id_", [930831534075682845.0, 9.3e17, 1e300])
def test_an_id_that_lost_digits_is_refused(id_: float) -> None:
    with pytest.raises(ValueError, match="lost digits"):
        parse_request({"prompt": "A panda", "adopt": id_})


@given(take=st.integers(0, 40), variants=st.integers(1, 5), form=st.sampled_from(["json", "csv", "yaml"]))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_takes_count_on_from_a_take_that_is_a_float(
    take: int, variants: int, form: str, tmp_path: Path
) -> None:
    row = {"name": "a", "prompt": "A cat", "take": float(take), "variants": float(variants)}
    text = json.dumps([row])
    if form == "csv":
        text = "\n".join([",".join(row), ",".join(str(value) for value in row.values())])
    for old in tmp_path.iterdir():
        old.unlink()
    (tmp_path / f"p.{form}").write_text(text)
    try:
        found = [request.get("take", 0) for request in load_prompts(tmp_path)]
    except KlingError as error:
        pytest.fail(f"refused: {error}")
    assert found == list(range(take, take + variants))


@pytest.mark.parametrize("case", ["take_float", "take_float_csv"])
def test_takes_of_the_recorded_cases_are_read(case: str, cases: Path) -> None:
    assert [request.get("take", 0) for request in load_prompts(cases / "prompts" / case)] == [1, 2]


@pytest.mark.parametrize(
    "entry",
    [
        {
            "variants": 100,
            "matrix": {
                "duration": list(range(3, 13)),
                "resolution": ["720p", "1080p", "4k"],
                "aspect_ratio": ["16:9", "9:16", "1:1"] * 4,
            },
        },
        {"variants": 51, "matrix": {"duration": list(range(3, 13)), "multi_shot": ["true", "false"]}},
        {"variants": 100, "matrix": {"duration": list(range(3, 14))}},
    ],
)
def test_thousands_of_videos_of_one_entry_are_a_slip(entry: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps({"prompt": "A panda", **entry}))
    with pytest.raises(KlingRequestError, match="1000 results of one entry"):
        load_prompts(tmp_path)


def test_thousands_of_entries_of_one_folder_need_a_word(tmp_path: Path) -> None:
    for number in range(11):
        entry = {"prompt": f"Panda {number}", "variants": 100, "matrix": {"duration": list(range(3, 13))}}
        (tmp_path / f"{number}.json").write_text(json.dumps(entry))
    with pytest.raises(KlingRequestError, match="11,000 results"):
        load_prompts(tmp_path)
    assert len(load_prompts(tmp_path, only="7/*")) == 1000


# -- what an operator is given ------------------------------------------------------------------------------


def paid_bodies(sandbox: Sandbox, make: Callable[[], Any]) -> str:
    """Make an operator in a Dag, render it as Airflow does, run it: what went over the wire, as JSON.

    A Dag that cannot be read, and a task that fails before it pays, pay for nothing.
    """
    try:
        with DAG("films", schedule=None, start_date=datetime(2026, 1, 1)):
            operator = make()
        operator.render_template_fields({"run_id": "monday", "params": {}})
        operator.execute(Instance().context)
    except KlingRequestError:
        pass
    return json.dumps(sandbox.requests())


@pytest.mark.parametrize(
    "request_",
    [
        MappingProxyType({"prompt": "A panda on {{ run_id }}"}),
        UserDict({"prompt": "A panda on {{ run_id }}"}),
        ChainMap({"prompt": "A panda on {{ run_id }}"}, {"duration": 5}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_mapping_that_is_no_dict_is_not_paid_with_its_braces(request_: Any, sandbox: Sandbox) -> None:
    paid = paid_bodies(sandbox, lambda: KlingSubmitOperator(task_id="video", request=request_))
    assert "{{" not in paid


@pytest.mark.parametrize(
    "model",
    [
        TextToVideo(prompt="A panda", duration=3),
        TextToVideo(prompt="A panda"),
        ImageToVideo(first_frame="https://images.example/a.png"),
    ],
    ids=repr,
)
@pytest.mark.parametrize("operator", [KlingSubmitOperator, KlingGenerateOperator])
def test_a_task_with_a_model_is_not_paid_and_then_fails(operator: Any, model: Any, sandbox: Sandbox) -> None:
    def run() -> None:
        with DAG("films", schedule=None, start_date=datetime(2026, 1, 1)):
            task = operator(task_id="video", request=model)
        task.execute(Instance().context)

    assert_paid_or_refused(run, sandbox)


def assert_paid_or_refused(run: Callable[[], Any], sandbox: Sandbox) -> None:
    """``run`` ends well, waits for what it paid, or was refused; it does not pay and then fail."""
    failed: BaseException | None = None
    try:
        run()
    except (Exception, TaskDeferred) as error:
        failed = error
    well = failed is None or isinstance(failed, TaskDeferred)
    assert well or not made(sandbox), f"paid, and then: {failed!r}"


@pytest.mark.parametrize(
    "returned", [TextToVideo(prompt="A panda"), ImageToVideo(first_frame="https://images.example/a.png")]
)
def test_a_function_that_returns_no_mapping_pays_for_nothing_and_then_fails(
    returned: Any, sandbox: Sandbox
) -> None:
    with DAG("films", schedule=None, start_date=datetime(2026, 1, 1)) as dag:
        kling_task(lambda: returned, task_id="video")()
    assert_paid_or_refused(lambda: dag.get_task("video").execute(Instance().context), sandbox)


@pytest.mark.parametrize("id_", ["None", "nan", "null"])
@pytest.mark.parametrize("operator", [KlingTaskSensor, KlingDownloadOperator])
def test_no_task_is_asked_for_by_the_name_of_nothing(
    operator: Any, id_: Any, sandbox: Sandbox, tmp_path: Path
) -> None:
    where = {"destination": str(tmp_path)} if operator is KlingDownloadOperator else {}
    with pytest.raises(KlingError, match="kling_task_id") as refused:
        operator(task_id="wait", kling_task_id=id_, **where).execute(Instance().context)
    assert isinstance(refused.value, KlingRequestError)
    assert not [one for one in sandbox.requests() if "None" in str(one) or "nan" in str(one)]

# SPDX-License-Identifier: Apache-2.0
"""Our types against the contract, fact by fact: a request just inside each rule is sent as told, one just outside is not.

What is covered and what there is are printed (``pytest -s``) and must be equal.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from kling_provider.api.catalog import find_spec, request_types
from kling_provider.api.dialects import DIALECTS
from kling_provider.api.parsing import parse_request
from kling_provider.api.problems import InvalidRequest
from kling_provider.exceptions import KlingRequestError
from kling_provider.hooks.kling import KlingHook
from kling_provider.sandbox import Sandbox
from tests.contract.reference.calls import Call, Field, list_calls, needs_contract
from tests.contract.reference.families import BASES, DIFFERENCES, RULES
from tests.contract.reference.probes import Probe, find_plain_model, list_probes, make_value
from tests.contract.reference.writing import find_values, make_base, remove_field, write_field

pytestmark = needs_contract

CALLS = list_calls()
PROBES = [probe for call in CALLS for probe in list_probes(call)]
TYPES = {
    "string": str,
    "int": int,
    "float": (int, float),
    "bool": bool,
    "long": (str, int),
    "array": list,
    "object": dict,
}


def find_wrong(request: dict[str, Any], design: str) -> list[str]:
    """What is wrong with a request for a design; empty where it would be sent."""
    try:
        checked = parse_request(request)
    except InvalidRequest as wrong:
        return [str(one) for one in wrong.problems]
    return [str(one) for one in checked.find_unsupported(design)]


def make_body(request: dict[str, Any], design: str) -> dict[str, Any]:
    body = DIALECTS[design].create(parse_request(request), "af-1").json
    return json.loads(json.dumps(body))


def is_same(sent: Any, told: Any) -> bool:
    """Whether a value was sent as told; a number may be written in several ways."""
    return sent == told or str(sent) == str(told)


def expected_difference(probe: Probe) -> bool:
    return (probe.call.type, probe.call.design, probe.field.key, probe.fact) in DIFFERENCES


def test_every_create_and_tool_of_the_contract_is_a_type() -> None:
    assert sorted({call.type for call in CALLS}) == sorted(
        set(request_types()) & {call.type for call in CALLS}
    )
    for call in CALLS:
        spec = find_spec(call.type)
        assert spec is not None
        assert spec.paths[call.design] == call.path


@pytest.mark.parametrize("call", CALLS, ids=str)
def test_the_smallest_request_is_sent(call: Call) -> None:
    assert find_wrong(make_base(call), call.design) == []


@pytest.mark.parametrize("probe", [one for one in PROBES if one.inside], ids=str)
def test_just_inside_passes_and_is_sent_as_told(probe: Probe) -> None:
    if expected_difference(probe):
        pytest.skip("a stated difference")
    for value in probe.inside:
        request = write_field(probe.call, probe.field, value, probe.model)
        assert find_wrong(request, probe.call.design) == [], request
        sent = find_values(make_body(request, probe.call.design), probe.field.name)
        given = value if isinstance(value, list) else [value]
        wire = [
            probe.field.facts.get("values", {}).get(one, one) if isinstance(one, str) else one
            for one in given
        ]
        assert len(sent) >= len(wire)
        if probe.fact == "count":
            assert len(sent) == len(wire)
        else:
            assert is_same(sent[0], wire[0])
            assert all(isinstance(one, TYPES[probe.field.facts["type"]]) for one in sent)


@pytest.mark.parametrize("probe", [one for one in PROBES if one.outside], ids=str)
def test_just_outside_is_refused(probe: Probe) -> None:
    if expected_difference(probe):
        pytest.skip("a stated difference")
    for value in probe.outside:
        request = (
            remove_field(probe.call, probe.field)
            if value is None
            else write_field(probe.call, probe.field, value, probe.model)
        )
        assert find_wrong(request, probe.call.design), request


def list_fields() -> Iterator[tuple[Call, Field]]:
    return ((call, field) for call in CALLS for field in call.fields if field.in_body)


@pytest.mark.parametrize(
    ("call", "field"), list(list_fields()), ids=lambda one: one.key if isinstance(one, Field) else str(one)
)
def test_a_field_is_called_as_told_and_has_the_type_that_is_told(call: Call, field: Field) -> None:
    if (call.type, call.design, field.key, "name") in DIFFERENCES:
        pytest.skip("a stated difference")
    if field.key in ("external_task_id", "callback_url"):
        request = {**make_base(call), "callback_url": "https://example.org/hook", "external_task_id": "af-1"}
    else:
        request = write_field(call, field, make_value(field), find_plain_model(call, field))
    assert find_wrong(request, call.design) == []
    sent = find_values(make_body(request, call.design), field.name)
    assert sent
    assert all(
        isinstance(one, TYPES[field.facts["type"]])
        and not (field.facts["type"] != "bool" and isinstance(one, bool))
        for one in sent
    )


@pytest.mark.parametrize(
    ("call", "field"),
    [one for one in list_fields() if "default" in one[1].facts],
    ids=lambda one: one.key if isinstance(one, Field) else str(one),
)
def test_what_is_in_effect_where_nothing_is_written_is_the_default(call: Call, field: Field) -> None:
    sent = find_values(make_body(make_base(call), call.design), field.name)
    in_effect = sent[0] if sent else field.facts["default"]
    told = (call.type, call.design, field.key, "default")
    assert (str(in_effect) != str(field.facts["default"])) == (told in DIFFERENCES), in_effect


@pytest.mark.parametrize("call", CALLS, ids=str)
def test_no_key_is_sent_that_the_contract_does_not_name(call: Call) -> None:
    names = {field.name for field in call.fields}
    for field in call.fields:
        if field.in_body and (call.type, call.design, field.key, "name") not in DIFFERENCES:
            request = write_field(call, field, make_value(field), find_plain_model(call, field))
            if not find_wrong(request, call.design):
                assert set(list_paths(make_body(request, call.design))) <= names | {
                    name.partition("|")[0] for name in names
                }


def list_paths(value: Any, path: str = "") -> Iterator[str]:
    """The paths of all values of a body, in the contract's notation."""
    if isinstance(value, dict):
        for key, one in value.items():
            if not (key == "type" and path.endswith("]")):
                yield from list_paths(one, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for one in value:
            kind = one.get("type", "") if isinstance(one, dict) and path == "contents" else ""
            yield from list_paths(one, f"{path}[{kind}]")
    else:
        yield path


# -- rules in words ------------------------------------------------------------------------------------------------

WORDS = [(call, rule) for call in CALLS for rule in call.rules]


@pytest.mark.parametrize(("call", "rule"), WORDS, ids=lambda one: str(one)[:40])
def test_a_rule_in_words_has_a_pair(call: Call, rule: str) -> None:
    told = RULES.get((call.type, call.design, rule))
    assert told is not None, f"{call}: {rule}"
    if isinstance(told, str):
        return  # why it is no rule about requests
    for inside, outside in [told] if isinstance(told, tuple) else told:
        assert find_wrong({**inside, "type": call.type}, call.design) == []
        assert find_wrong({**outside, "type": call.type}, call.design)


def test_all_is_covered(capsys: pytest.CaptureFixture[str]) -> None:
    types = {key[0] for key in BASES}
    covered = sum(1 for probe in PROBES if probe.call.type in types) + sum(
        1 for call, rule in WORDS if (call.type, call.design, rule) in RULES
    )
    total = len(PROBES) + len(WORDS)
    with capsys.disabled():
        print(f"\nrules of the contract: {covered} covered, {total} in total; {len(DIFFERENCES)} differences")
    assert covered == total


def test_there_are_few_differences_and_none_is_about_what_the_vendor_documents() -> None:
    assert len(DIFFERENCES) <= 15
    documented = {(call.type, call.design, field.key) for call, field in list_fields() if field.is_documented}
    for (type_, design, key, fact), reason in DIFFERENCES.items():
        assert reason
        assert fact == "default" or (type_, design, key) not in documented


def test_nothing_that_is_outside_is_sent_as_a_create(monkeypatch: pytest.MonkeyPatch) -> None:
    with Sandbox() as sandbox:
        for design in ("standard", "legacy"):
            extra = {"profile": "kling", "api": design}
            connection = {
                "conn_type": "kling",
                "host": sandbox.base_url,
                "password": sandbox.api_key,
                "extra": extra,
            }
            monkeypatch.setenv(f"AIRFLOW_CONN_{design.upper()}", json.dumps(connection))
            hook = KlingHook(design)
            for probe in PROBES:
                if probe.call.design != design or expected_difference(probe):
                    continue
                for value in probe.outside:
                    request = (
                        remove_field(probe.call, probe.field)
                        if value is None
                        else write_field(probe.call, probe.field, value, probe.model)
                    )
                    with pytest.raises(KlingRequestError):
                        hook.submit(request, external_task_id=None)
        assert sandbox.stats()["creates"] == {**sandbox.stats()["creates"], "made": 0, "refused": 0}

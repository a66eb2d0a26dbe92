# SPDX-License-Identifier: Apache-2.0
"""Our types against the contract, fact by fact: a request just inside each rule is sent as told, one just outside is not.

What is covered and what there is are printed (``pytest -s``) and must be equal.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from kling_provider.api.catalog import find_spec, request_types
from kling_provider.api.dialects import DIALECTS
from kling_provider.api.parsing import parse_request
from kling_provider.api.requests.fields import Media
from kling_provider.api.requests.marked_fields import find_marker
from kling_provider.exceptions import KlingRequestError
from kling_provider.hooks.kling import KlingHook
from kling_provider.sandbox import Sandbox
from tests.contract.reference.bodies import (
    find_wrong,
    has_type,
    is_same,
    list_names,
    list_paths,
    make_body,
)
from tests.contract.reference.calls import Call, Field, list_calls, needs_contract
from tests.contract.reference.families import (
    BASES,
    CONVENIENCES,
    DIFFERENCES,
    OUR_DEFAULTS,
    find_condition,
    find_rule,
)
from tests.contract.reference.families.common import HOOK, IMAGE, Measured
from tests.contract.reference.probes import Probe, choose_model, list_probes, make_value, to_wire
from tests.contract.reference.writing import find_values, make_base, remove_field, write_field

pytestmark = needs_contract

CALLS = list_calls()
FIELDS = [(call, field) for call in CALLS for field in call.fields]
PROBES = [probe for call in CALLS for probe in list_probes(call)]
#: Rules in words, and fields that are required at times.
WORDS = [(call, rule) for call in CALLS for rule in call.rules]
CONDITIONS = [(call, field) for call, field in FIELDS if field.facts.get("required") == "conditional"]


def name(one: object) -> str:
    return one.key if isinstance(one, Field) else str(one)[:60]


def is_expected(probe: Probe) -> bool:
    return (probe.call.type, probe.call.design, probe.field.key, probe.fact) in DIFFERENCES


def is_ours(probe: Probe) -> bool:
    """Whether what is outside passes: a stated difference, or a field that we write where it is left out."""
    return is_expected(probe) or (probe.fact == "required" and is_filled(probe.call, probe.field))


def write_probe(probe: Probe, value: Any) -> dict[str, Any]:
    if value is None:
        return remove_field(probe.call, probe.field)
    return write_field(probe.call, probe.field, value, probe.model)


def list_pairs(told: Any) -> list[tuple[Any, Any]]:
    """The pairs of a rule in words; none where a reason stands in their place."""
    if told is None or isinstance(told, str):
        return []
    return told if isinstance(told, list) else [told]


def is_filled(call: Call, field: Field) -> bool:
    """Whether we write the field where it is left out."""
    return (call.type, call.design, field.key) in CONVENIENCES


# -- fields --------------------------------------------------------------------------------------------------------


def test_every_create_and_tool_of_the_contract_is_a_type() -> None:
    assert {call.type for call in CALLS} <= set(request_types())
    for call in CALLS:
        spec = find_spec(call.type)
        assert spec is not None
        assert spec.paths[call.design] == call.path


@pytest.mark.parametrize("call", CALLS, ids=str)
def test_the_smallest_request_is_sent(call: Call) -> None:
    assert find_wrong(make_base(call), call) == []


@pytest.mark.parametrize(("call", "field"), FIELDS, ids=name)
def test_a_field_is_called_as_told_and_has_the_type_that_is_told(call: Call, field: Field) -> None:
    if field.key in ("external_task_id", "callback_url"):
        request = {**make_base(call), field.key: HOOK if field.key == "callback_url" else "af-1"}
    else:
        model = choose_model(call, field)
        request = write_field(call, field, make_value(field, model), model)
    assert find_wrong(request, call) == []
    body = make_body(request, call)
    assert find_values(body, field.name), body
    assert has_type(field, body), body


@pytest.mark.parametrize("call", CALLS, ids=str)
def test_no_key_is_sent_that_the_contract_does_not_name(call: Call) -> None:
    for field in call.fields:
        for model in list_models(call, field) if field.key != "model" else ():
            request = write_field(call, field, make_value(field, model), model)
            if not find_wrong(request, call):
                assert set(list_paths(make_body(request, call))) <= list_names(call, model)


def list_models(call: Call, field: Field) -> set[str | None]:
    """The models that have a field."""
    having = field.facts.get("models")
    return {choose_model(call, field), *(one for one in call.models if having is None or one in having)}


@pytest.mark.parametrize(("call", "field"), [one for one in FIELDS if "default" in one[1].facts], ids=name)
def test_what_is_in_effect_where_nothing_is_written_is_the_default_of_kling_or_ours(
    call: Call, field: Field
) -> None:
    sent = find_values(make_body(make_base(call), call), field.name)
    in_effect = sent[0] if sent else field.facts["default"]
    ours = (call.type, call.design, field.key) in OUR_DEFAULTS
    assert is_same(in_effect, field.facts["default"]) != ours, in_effect
    assert sent or not ours


@pytest.mark.parametrize(("call", "field"), [one for one in FIELDS if is_filled(*one)], ids=name)
def test_what_kling_requires_and_people_may_leave_out_is_sent_all_the_same(call: Call, field: Field) -> None:
    request = remove_field(call, field)
    assert find_wrong(request, call) == []
    assert find_values(make_body(request, call), field.name)


@pytest.mark.parametrize(("call", "field"), [one for one in FIELDS if "media" in one[1].facts], ids=name)
def test_an_input_keeps_to_the_limits_that_are_told(call: Call, field: Field) -> None:
    for model in (choose_model(call, field), *field.by_model):
        written = write_field(call, field, make_value(field, model), model)
        sent = find_values(make_body(written, call), field.name)
        request: Any = parse_request(written)
        where = next(where for where, given in request.iter_inputs() if given in sent)
        key, _, rest = where.partition(".")
        info = type(request).model_fields[key]
        within = rest.partition(".")[2]
        if within:
            (part,) = [type(one) for one in getattr(request, key)[:1]]
            info = part.model_fields[within]
        media = find_marker(Media, info.annotation, info.metadata)
        assert request.find_media_row(media, call.design) == field.fact("media", model)


# -- facts ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("probe", [one for one in PROBES if one.inside and not is_expected(one)], ids=str)
def test_just_inside_passes_and_is_sent_as_told(probe: Probe) -> None:
    for value in probe.inside:
        request = write_probe(probe, value)
        assert find_wrong(request, probe.call) == [], request
        body = make_body(request, probe.call)
        sent = find_values(body, probe.field.name)
        wire = [to_wire(probe.field, one) for one in (value if isinstance(value, list) else [value])]
        if probe.fact == "count":
            assert len(sent) == len(wire)
        else:
            assert any(is_same(one, wire[0]) for one in sent), body
        assert has_type(probe.field, body), body


@pytest.mark.parametrize("probe", [one for one in PROBES if one.outside and not is_ours(one)], ids=str)
def test_just_outside_is_refused(probe: Probe) -> None:
    for value in probe.outside:
        request = write_probe(probe, value)
        assert find_wrong(request, probe.call), request


@pytest.mark.parametrize("probe", [one for one in PROBES if one.unknown], ids=str)
def test_an_unknown_word_of_an_open_list_passes_with_a_warning(probe: Probe) -> None:
    for value in probe.unknown:
        request = write_probe(probe, value)
        assert find_wrong(request, probe.call) == []
        assert parse_request(request).find_warnings()


TWO_IMAGES = [(call, scene) for call, field in FIELDS for scene in field.facts.get("two_images", ())]


@pytest.mark.parametrize(("call", "scene"), TWO_IMAGES, ids=name)
def test_a_scene_of_two_images_takes_two(call: Call, scene: str) -> None:
    assert find_wrong({"scene": scene, "images": [IMAGE, IMAGE]}, call) == []
    assert find_wrong({"scene": scene, "image": IMAGE}, call)


@pytest.mark.parametrize(("call", "rule"), WORDS, ids=name)
def test_a_rule_in_words_has_a_pair(call: Call, rule: str) -> None:
    told = find_rule(call, rule)
    assert told, f"{call}: {rule}"
    check_pairs(call, told)


@pytest.mark.parametrize(("call", "field"), CONDITIONS, ids=name)
def test_a_field_that_is_required_at_times_has_a_pair(call: Call, field: Field) -> None:
    told = find_condition(call, field.key)
    assert told or is_filled(call, field), f"{call}: {field.key}"
    check_pairs(call, told)


def check_pairs(call: Call, told: Any) -> None:
    for inside, outside in list_pairs(told):
        assert find_wrong(inside, call) == [], inside
        assert find_wrong(outside, call), outside


# -- all of it -----------------------------------------------------------------------------------------------------


def is_covered(call: Call, told: Any) -> bool:
    return told is not None and call.type in {key[0] for key in BASES}


def test_all_is_covered(capsys: pytest.CaptureFixture[str]) -> None:
    covered = sum(is_covered(probe.call, probe) for probe in PROBES)
    covered += sum(is_covered(call, find_rule(call, rule)) for call, rule in WORDS)
    covered += sum(
        is_covered(
            call, find_condition(call, field.key) or CONVENIENCES.get((call.type, call.design, field.key))
        )
        for call, field in CONDITIONS
    )
    total = len(PROBES) + len(WORDS) + len(CONDITIONS)
    with capsys.disabled():
        print(f"\nrules of the contract: {covered} covered, {total} in total; {len(DIFFERENCES)} differences")
        for where, reason in DIFFERENCES.items():
            print(f"  differs: {' '.join(where)}: {reason}")
        for where, reason in (*OUR_DEFAULTS.items(), *CONVENIENCES.items()):
            print(f"  our default: {' '.join(where)}: {reason}")
        for call, rule in WORDS:
            if isinstance(told := find_rule(call, rule), str):
                print(f"  not about requests: {call}: {rule}: {told}")
    assert covered == total


def test_there_are_few_differences_and_none_is_about_what_the_vendor_documents() -> None:
    assert len(DIFFERENCES) <= 15
    documented = {(call.type, call.design, field.key) for call, field in FIELDS if field.is_documented}
    facts = {(probe.call.type, probe.call.design, probe.field.key, probe.fact) for probe in PROBES}
    for where, reason in DIFFERENCES.items():
        assert reason
        assert where in facts
        assert where[:3] not in documented


def test_nothing_that_is_outside_is_sent_as_a_create(monkeypatch: pytest.MonkeyPatch) -> None:
    refused = [
        (probe.call, write_probe(probe, value))
        for probe in PROBES
        if not is_ours(probe)
        for value in probe.outside
    ]
    told = [(call, find_rule(call, rule)) for call, rule in WORDS]
    told += [(call, find_condition(call, field.key)) for call, field in CONDITIONS]
    refused += [
        (call, {**outside, "type": call.type})
        for call, pairs in told
        for _, outside in list_pairs(pairs)
        if not isinstance(outside, Measured)
    ]
    with Sandbox() as sandbox:
        hooks = {design: connect(sandbox, design, monkeypatch) for design in DIALECTS}
        for call, request in refused:
            with pytest.raises(KlingRequestError):
                hooks[call.design].submit(request, external_task_id=None)
        assert sandbox.requests() == []
        hooks["standard"].submit({"prompt": "A boat"}, external_task_id=None)
        assert sandbox.stats()["creates"]["made"] == 1


def connect(sandbox: Sandbox, design: str, monkeypatch: pytest.MonkeyPatch) -> KlingHook:
    connection = {
        "conn_type": "kling",
        "host": sandbox.base_url,
        "password": sandbox.api_key,
        "extra": {"profile": "kling", "api": design},
    }
    monkeypatch.setenv(f"AIRFLOW_CONN_{design.upper()}", json.dumps(connection))
    return KlingHook(design)

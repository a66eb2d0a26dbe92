# SPDX-License-Identifier: Apache-2.0
"""docs/capabilities.md: its tables are made of the catalog (``WRITE_DOCS=1 pytest …`` writes them)."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable

import pytest

from kling_provider.api.catalog import all_specs
from kling_provider.api.request_types import RETIRED_TYPES, RequestSpec
from kling_provider.api.requests.base import KlingRequest
from kling_provider.api.requests.fields import ApiDesign
from kling_provider.hooks.kling import KlingHook
from tests.support.pages import REPOSITORY

PAGE = REPOSITORY / "docs" / "capabilities.md"
TABLE = re.compile(r"(?<=<!-- types -->\n).*?(?=<!-- end of types -->)", re.DOTALL)
KEYS = re.compile(r"(?<=<!-- keys -->\n).*?(?=<!-- end of keys -->)", re.DOTALL)
HEAD = ("Type", "Makes", "Design and path", "Answered", "Lock", "Callback", "Price", "Example")


def make_table(head: tuple[str, ...], make: Callable[[RequestSpec], tuple[str, ...]]) -> str:
    rows = [head, tuple("---" for _ in head), *map(make, all_specs())]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def make_row(spec: RequestSpec) -> tuple[str, ...]:
    return (
        f"`{spec.type}`{'' if spec.status == 'alive' else ' ¹'}",
        ", ".join(dict.fromkeys(spec.outputs)),
        "<br>".join(f"{name_design(spec, design)} `{path}`" for design, path in spec.paths.items()),
        "at once" if spec.is_answered_at_once else "by a task",
        {"yes": "yes", "no": "no", "by_model": "by model"}[spec.locked] if spec.external_ids else "no id",
        "yes" if spec.callbacks else "no",
        spec.price_rule.describe(),
        f"[{spec.example}](../dags/requests/{spec.example})" if spec.example else "",
    )


def make_keys(spec: RequestSpec) -> tuple[str, ...]:
    fields = spec.request_class.model_fields
    of_all = set(KlingRequest.model_fields) - {"model"}
    own = [name for name in spec.request_class.field_names() if name not in of_all]
    needed = [f"`{name}`" for name in own if fields[name].is_required()]
    others = [f"`{name}`" for name in own if not fields[name].is_required()]
    return (f"`{spec.type}`", ", ".join(needed), ", ".join(others))


def name_design(spec: RequestSpec, design: ApiDesign) -> str:
    return "solutions" if design == "standard" and spec.tasks_path == "/solutions" else design


def test_the_tables_are_those_of_the_catalog() -> None:
    page = PAGE.read_text()
    made = TABLE.sub(lambda _: make_table(HEAD, make_row), page)
    made = KEYS.sub(lambda _: make_table(("Type", "Must be given", "May be given"), make_keys), made)
    assert made.count("<!-- keys -->") == 1
    if os.environ.get("WRITE_DOCS"):
        PAGE.write_text(made)
    assert made == page


def test_each_type_has_an_example_that_is_there() -> None:
    for spec in all_specs():
        assert spec.example, spec.type
        assert (REPOSITORY / "dags/requests" / spec.example).is_file()


def test_retired_types_are_named() -> None:
    page = PAGE.read_text()
    for type_ in RETIRED_TYPES:
        assert f"`{type_}`" in page


def test_a_type_that_nobody_confirmed_is_sent_with_a_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    connection = {"conn_type": "kling", "host": "http://127.0.0.1:9", "password": "k"}
    monkeypatch.setenv(
        "AIRFLOW_CONN_KLING_DEFAULT", json.dumps({**connection, "extra": {"profile": "kling"}})
    )
    KlingHook().validate_request({"type": "video_extend", "video_id": "1"})
    assert (
        "of type video_extend: nobody has confirmed lately that Kling still serves this type." in caplog.text
    )
    caplog.clear()
    KlingHook().validate_request({"prompt": "A boat"})
    assert "confirmed" not in caplog.text

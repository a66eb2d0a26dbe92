# SPDX-License-Identifier: Apache-2.0
"""docs/operators.md: its tables are the docstrings, and its Dags use every parameter.

The tables are written by this test (``WRITE_DOCS=1 pytest …``) and must be what it would write. That its Dags run is
tested in ``tests/stack/test_documented_dags.py``.
"""

from __future__ import annotations

import ast
import inspect
import os
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from kling_provider.notifications.kling import KlingNotifier
from kling_provider.operators import kling as operators
from kling_provider.sensors.kling import KlingTaskSensor
from tests.support.pages import REPOSITORY, read_blocks

WRITE_DOCS = "WRITE_DOCS" in os.environ
PAGE = REPOSITORY / "docs" / "operators.md"
CLASSES: dict[str, type] = {
    **{name: item for name, item in vars(operators).items() if name.endswith("Operator")},
    "KlingTaskSensor": KlingTaskSensor,
    "KlingNotifier": KlingNotifier,
}
#: A table per name; two names share one, the second's parameters after the first's.
TABLES = re.compile(r"<!-- parameters: (?P<names>[\w ]+) -->\n.*?<!-- end of parameters -->", re.DOTALL)
_PARAM = re.compile(r"^:param (?P<name>\w+): (?P<text>.*?)(?=^:|^\S|\Z)", re.MULTILINE | re.DOTALL)


def own_parameters(kind: type) -> dict[str, inspect.Parameter]:
    """What a class adds to the parameters of its base."""
    return {
        name: parameter
        for name, parameter in inspect.signature(vars(kind)["__init__"]).parameters.items()
        if name != "self" and parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }


def described(kind: type) -> dict[str, str]:
    """The parameters that the class's docstring describes, as Markdown."""
    doc = inspect.getdoc(kind) or ""
    return {match["name"]: as_markdown(match["text"]) for match in _PARAM.finditer(doc)}


def as_markdown(text: str) -> str:
    text = re.sub(r":\w+:`~?\.?([^`]*)`", r"`\1`", " ".join(text.split()))
    return text.replace("``", "`").replace("|", "\\|")


def default(parameter: inspect.Parameter) -> str:
    value: Any = parameter.default
    if value is inspect.Parameter.empty:
        return "required"
    if isinstance(value, timedelta):
        hours = value / timedelta(hours=1)
        return f"{hours / 24:g} days" if hours >= 48 else f"{hours:g} h"
    if isinstance(value, float):
        return f"`{value:g}`"
    return "its own" if isinstance(value, str) and len(value) > 30 else f"`{value!r}`"


def table(names: str) -> str:
    rows = ["| parameter | default | is |", "|---|---|---|"]
    for name in names.split():
        texts = described(CLASSES[name])
        for parameter, how in own_parameters(CLASSES[name]).items():
            rows.append(f"| `{parameter}` | {default(how)} | {texts.get(parameter, 'as in Airflow')} |")
    return "\n".join([f"<!-- parameters: {names} -->", *rows, "<!-- end of parameters -->"])


def test_the_tables_are_the_docstrings() -> None:
    text = PAGE.read_text(encoding="utf-8")
    written = TABLES.sub(lambda match: table(match["names"]), text)
    if WRITE_DOCS:
        PAGE.write_text(written, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == written, "run this test with WRITE_DOCS=1"
    assert sorted(" ".join(match["names"] for match in TABLES.finditer(text)).split()) == sorted(CLASSES)


@pytest.mark.parametrize("name", CLASSES)
def test_every_parameter_is_described_once(name: str) -> None:
    own, texts = own_parameters(CLASSES[name]), described(CLASSES[name])
    # Airflow's own, which the sensor only gives another default.
    assert set(own) - set(texts) <= {"timeout"} if name == "KlingTaskSensor" else set(own) == set(texts)
    assert set(texts) <= set(own)


def keywords() -> dict[str, set[str]]:
    """The keywords with which each class is made on the page."""
    found: dict[str, set[str]] = {name: set() for name in CLASSES}
    for block in read_blocks("python", pages=("docs/operators.md",)):
        for node in ast.walk(ast.parse(block.text)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CLASSES:
                found[node.func.id] |= {word.arg for word in node.keywords if word.arg}
    return found


@pytest.mark.parametrize("name", CLASSES)
def test_every_parameter_is_in_a_dag_that_runs(name: str) -> None:
    wanted = set(own_parameters(CLASSES[name]))
    if name == "KlingGenerateOperator":
        wanted |= set(own_parameters(CLASSES["KlingSubmitOperator"]))
    assert wanted <= keywords()[name]


def test_every_link_within_the_pages_leads_somewhere(repository: Path) -> None:
    for page in [repository / "README.md", *(repository / "docs").glob("*.md")]:
        text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            if "://" in target:
                continue
            path, _, anchor = target.partition("#")
            file = (page.parent / path).resolve() if path else page
            assert file.exists(), f"{page.name}: {target}"
            if anchor:
                headings = re.findall(r"^#+ (.*)$", file.read_text(encoding="utf-8"), re.MULTILINE)
                assert anchor in {anchor_of(heading) for heading in headings}, f"{page.name}: {target}"


def anchor_of(heading: str) -> str:
    """As GitHub and most others make it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")

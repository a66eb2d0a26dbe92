# SPDX-License-Identifier: Apache-2.0
"""The code in the pages for users: every block is read here, and the Dags among them are run in ``tests/stack``."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path

import pytest
from airflow.sdk import Connection

from kling_provider.cli.commands import build_parser as build_command_parser
from kling_provider.hooks.connection import KlingConnection
from kling_provider.prompts import load_prompts
from kling_provider.sandbox.__main__ import build_parser
from kling_provider.sandbox.connecting import list_exports
from kling_provider.sandbox.options import Options
from tests.support.pages import PAGES, REPOSITORY, Block, read_blocks

COMMANDS = [
    (block, line.removeprefix("$ "))
    for block in read_blocks("console")
    for line in block.text.splitlines()
    if line.startswith("$ ")
]


@pytest.mark.parametrize("block", read_blocks("python"), ids=str)
def test_every_dag_is_read(block: Block, tmp_path: Path) -> None:
    try:
        from airflow.dag_processing.dagbag import DagBag
    except ImportError:  # before Airflow 3.2
        from airflow.models.dagbag import DagBag
    (tmp_path / "page.py").write_text(block.text, encoding="utf-8")
    bag = DagBag(tmp_path)
    assert bag.import_errors == {}
    [dag] = bag.dags.values()
    assert dag.tasks


@pytest.mark.parametrize("block", read_blocks("yaml", "markdown"), ids=str)
def test_every_prompt_file_is_taken(block: Block, tmp_path: Path) -> None:
    suffix = {"yaml": "yaml", "markdown": "md"}[block.language]
    (tmp_path / f"page.{suffix}").write_text(block.text, encoding="utf-8")
    assert load_prompts(tmp_path)


def test_no_block_is_of_a_kind_that_nobody_looks_at() -> None:
    known = {"python", "yaml", "markdown", "console", "text"}  # text: what something prints
    for page in PAGES:
        text = (REPOSITORY / page).read_text(encoding="utf-8")
        assert set(re.findall(r"^```(\w*)\n(?=.)", text, re.MULTILINE)) - {""} <= known


def check_pip(words: list[str]) -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    while words:
        word = words.pop(0)
        if word == "--constraint":
            assert (REPOSITORY / words.pop(0)).is_file()
        elif word.startswith("."):
            extras = word.removeprefix(".").strip("[]")
            assert set(filter(None, extras.split(","))) <= set(project["optional-dependencies"])
        else:
            assert word == "apache-airflow==$(airflow version)"


def check_export(assignment: str) -> None:
    name, _, value = assignment.partition("=")
    assert name.startswith("AIRFLOW_CONN_")
    connection = Connection.from_json(value.replace("…", "x"), conn_id=name)
    if connection.conn_type == "kling":
        assert KlingConnection.parse(connection).base_url
    else:
        assert connection.conn_type == "http"


@pytest.mark.parametrize(
    ("block", "line"), COMMANDS, ids=[f"{block}: {line[:40]}" for block, line in COMMANDS]
)
def test_every_command_is_one(block: Block, line: str) -> None:
    words = shlex.split(line, comments=True)
    match words:
        case ["pip", "install", *rest]:
            check_pip(rest)
        case ["python", "-m", "kling_provider.sandbox", *arguments]:
            build_parser().parse_args(arguments)
        case ["python", "-m", "kling_provider", *arguments]:
            assert build_command_parser().parse_args(arguments).command
        case ["export", assignment]:
            check_export(assignment)
        case ["airflow", *arguments]:
            from airflow.cli.cli_parser import get_parser

            assert get_parser().parse_args(arguments)
        case ["make", target]:
            assert re.search(rf"^{target}:.*##", (REPOSITORY / "Makefile").read_text(), re.MULTILINE)
        case _:
            assert words[:3] == ["python3", "-m", "venv"] or words[0] in (".", "ls", "mkdir")


def test_what_is_installed_by_words_in_a_line_can_be_installed() -> None:
    lines = re.findall(r"`(pip install [^`]*)`", (REPOSITORY / "README.md").read_text(encoding="utf-8"))
    assert lines
    for line in lines:
        check_pip(shlex.split(line)[2:])


def test_the_readme_pastes_what_the_sandbox_prints() -> None:
    """A reader who skips the sandbox's own lines gets the same connection."""
    [start] = [line for _, line in COMMANDS if "kling_provider.sandbox" in line]
    port = build_parser().parse_args(shlex.split(start)[3:]).port
    assert list_exports(Options(), f"http://127.0.0.1:{port}")[0] in [line for _, line in COMMANDS]

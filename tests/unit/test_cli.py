# SPDX-License-Identifier: Apache-2.0
"""The command line: what it prints, what it removes, and when it asks."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from kling_provider.cli.commands import COMMANDS, main
from kling_provider.storage import claim_place, destination_path
from tests.unit.storage_stand_ins import names, origin


@pytest.fixture
def claims(tmp_path: Path) -> Path:
    """A folder with two claims."""
    root = destination_path(str(tmp_path))
    claim_place(root, "red-panda", origin())
    claim_place(root, "deep/lamp", origin("af-lamp", name="lamp", map_index=-1))
    return tmp_path


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_claims_are_listed_with_their_owners(claims: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["claims", "list", str(claims)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [lines[0], lines[2]] == [f"file://{claims}/deep/lamp", f"file://{claims}/red-panda"]
    assert lines[1].endswith(": Dag videos, run manual__1, task save, name lamp")
    assert lines[3].endswith(": Dag videos, run manual__1, task save, map index 3, name red-panda")
    assert lines[4] == f"2 claims at or below {claims}."


@pytest.mark.parametrize("target", ["red-panda", "red-panda.mp4", "red-panda-0.png", "red-panda.kling.json"])
def test_the_claim_of_one_file_is_released_at_once(
    target: str, claims: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["claims", "release", f"file://{claims}/{target}"]) == 0
    assert capsys.readouterr().out.endswith("Released 1 claim.\n")
    assert names(claims) == ["deep/lamp.kling.json"]
    assert main(["claims", "release", f"{claims}/{target}"]) == 1
    assert "neither a folder nor a claim" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("stdin", "options", "left"),
    [
        (io.StringIO("y\n"), [], 2),  # nobody is there
        (Terminal("y\n"), [], 0),
        (Terminal("n\n"), [], 2),
        (Terminal(""), [], 2),
        (io.StringIO(""), ["--yes"], 0),
    ],
)
def test_a_folder_s_claims_are_released_after_a_question(
    claims: Path, monkeypatch: pytest.MonkeyPatch, stdin: Any, options: list[str], left: int
) -> None:
    monkeypatch.setattr(sys, "stdin", stdin)
    assert main(["claims", "release", str(claims), *options]) == (1 if left else 0)
    assert len(names(claims)) == left


def test_what_is_no_claim_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "notes.json").write_text('{"claim": "of a lawyer"}')
    assert main(["claims", "release", str(tmp_path), "--yes"]) == 1
    assert capsys.readouterr().out == f"There is no claim at or below {tmp_path}.\n"
    assert names(tmp_path) == ["notes.json"]


def test_what_goes_wrong_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["claims", "list", "videos"]) == 1
    assert capsys.readouterr().err.startswith("destination 'videos' is a relative path")


def test_every_command_says_what_it_does(capsys: pytest.CaptureFixture[str]) -> None:
    for command in COMMANDS:
        with pytest.raises(SystemExit) as end:
            main([command.group, command.name, "--help"])
        assert end.value.code == 0
        assert " ".join(command.help.split()) in " ".join(capsys.readouterr().out.split())


@pytest.mark.slow
def test_the_commands_are_airflow_s_too(claims: Path, metadata_db: Path) -> None:
    """``airflow kling``, as the provider key ``cli`` gives it."""
    for arguments, code, says in (
        (["claims", "list", str(claims)], 0, f"2 claims at or below {claims}."),
        (["claims", "list", "videos"], 1, "is a relative path"),
        (["memory", "list"], 0, "0 remembered in Airflow Variables."),
        (["memory", "prune", "--older-than", "30"], 0, "Nothing is older than 30 days."),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "airflow", "kling", *arguments],
            capture_output=True,
            text=True,
            env=os.environ,
            check=False,
        )
        assert done.returncode == code, done.stderr
        assert says in done.stdout + done.stderr

# SPDX-License-Identifier: Apache-2.0
"""``voices``, ``elements`` and ``ledger`` of the command line: what they print, what they delete, and when they ask."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from kling_provider.cli.commands import main
from tests.contract.connecting import say, server

SIGNED = "https://example.org/trial.mp3?Signature=c2VjcmV0"
VOICES = [
    {
        "task_id": "1",
        "task_status": "succeed",
        "task_result": {
            "voices": [
                {"voice_id": "9308", "voice_name": "Keeper", "trial_url": SIGNED, "owned_by": "10001"},
                {"voice_id": "9309", "trial_url": SIGNED},
            ]
        },
    }
]
ELEMENTS = [
    {
        "task_id": "2",
        "task_status": "succeed",
        "task_result": {
            "elements": [
                {
                    "element_id": 3219,
                    "element_name": "Lamp\x1b[31m",
                    "element_description": "A brass lamp",
                    "owned_by": "10001",
                    "status": "deleted",
                }
            ]
        },
    }
]
ROW = {"task_id": "8672", "model_name": "kling-3.0", "duration": "5", "deduction_time": 1_793_500_000_000}
LEDGERS: dict[str, Any] = {
    "/account/billing/package": [
        {**ROW, "deduction_amount": "3.05", "product_type": "video", "api_key_name": "studio"},
        {"deduction_amount": "8", "product_type": "image"},
        {"deduction_amount": "1.95", "product_type": "video"},
    ],
    "/account/billing/balance": [
        {**ROW, "deduction_amount": "0.42", "currency": "USD"},
        {**ROW, "deduction_amount": "1.10", "currency": "CNY"},
    ],
}

ASKED: list[tuple[str, Any]] = []


def answer(request: Any) -> None:
    path = request.path.partition("?")[0]
    ASKED.append((path, request.json))
    if path in LEDGERS:
        data: Any = {"result": {"detail": LEDGERS[path], "count": 1}, "has_more": False}
    elif "delete" in path:
        if "7" in request.json.values():
            say(request, 400, {"code": 1201, "message": "Voice may already be deleted"})
            return
        data = {"task_id": "3", "task_status": "succeed"}
    else:
        data = {"voices": VOICES, "elements": ELEMENTS}[path.rpartition("-")[2]]
    say(request, 200, {"code": 0, "message": "SUCCEED", "data": data})


@pytest.fixture(autouse=True)
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    ASKED.clear()
    with server(answer) as port:
        connection = {"conn_type": "kling", "host": f"http://127.0.0.1:{port}", "password": "sk-test-0123"}
        text = json.dumps({**connection, "extra": {"profile": "kling"}})
        monkeypatch.setenv("AIRFLOW_CONN_KLING_DEFAULT", text)
        monkeypatch.setenv("AIRFLOW_CONN_KLING_OTHER", text)
        yield


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("arguments", "path", "printed"),
    [
        (
            ["voices", "list"],
            "/v1/general/custom-voices",
            "9308  Keeper, owned by 10001\n9309  without a name\n2 voices.\n",
        ),
        (
            ["voices", "list", "--presets", "--conn-id", "kling_other"],
            "/v1/general/presets-voices",
            "9308  Keeper, owned by 10001\n9309  without a name\n2 voices.\n",
        ),
        (
            ["elements", "list"],
            "/v1/general/advanced-custom-elements",
            "3219  Lamp, A brass lamp, deleted, owned by 10001\n1 element.\n",
        ),
        (
            ["elements", "list", "--old", "--presets"],
            "/v1/general/presets-elements",
            "3219  Lamp, A brass lamp, deleted, owned by 10001\n1 element.\n",
        ),
    ],
)
def test_what_is_there_is_listed(
    arguments: list[str], path: str, printed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 0
    assert capsys.readouterr().out == printed
    assert [(path, None)] == ASKED


@pytest.mark.parametrize(
    ("stdin", "options", "code"),
    [
        (io.StringIO("y\n"), [], 1),  # nobody is there
        (Terminal("n\n"), [], 1),
        (Terminal("y\n"), [], 0),
        (io.StringIO(""), ["--yes"], 0),
    ],
)
@pytest.mark.parametrize(
    ("group", "path", "key"),
    [
        ("voices", "/v1/general/delete-voices", "voice_id"),
        ("elements", "/v1/general/delete-advanced-elements", "element_id"),
    ],
)
def test_a_deletion_is_sent_after_a_question(
    group: str,
    path: str,
    key: str,
    stdin: Any,
    options: list[str],
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    stdin.seek(0)
    monkeypatch.setattr(sys, "stdin", stdin)
    assert main([group, "delete", "9308", *options]) == code
    assert [(path, {key: "9308"})] * (not code) == ASKED
    assert capsys.readouterr().out.endswith("Deleted " * (not code) + f"{group[:-1]} 9308.\n") == (not code)


def test_what_was_deleted_before_is_done(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["voices", "delete", "7", "--yes"]) == 0
    assert capsys.readouterr().out == "There is nothing to do: voice 7 was deleted before.\n"


def test_units_are_listed_with_their_sums(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [
        "--days",
        "1",
        "--api-key-name",
        "studio",
        "--product-type",
        "video",
        "--product-type",
        "image",
    ]
    assert main(["ledger", "units", *arguments]) == 0
    assert capsys.readouterr().out == (
        "2026-11-01 02:26:40+00:00  3.05 units (video)  task 8672: kling-3.0, 5 s, studio\n"
        "at an unknown time  8 units (image)  task unknown\n"
        "at an unknown time  1.95 units (video)  task unknown\n"
        "3 deductions within 1 day: 5 units (video), 8 units (image).\n"
    )
    ((_, body),) = ASKED
    assert body["end_time"] - body["start_time"] == pytest.approx(86_400_000, abs=60_000)
    assert body["filters"] == [
        {"key": "api_key_name", "values": ["studio"]},
        {"key": "product_type", "values": ["video", "image"]},
    ]


def test_money_is_listed_by_currency(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ledger", "balance"]) == 0
    assert capsys.readouterr().out == (
        "2026-11-01 02:26:40+00:00  0.42 USD  task 8672: kling-3.0, 5 s\n"
        "2026-11-01 02:26:40+00:00  1.1 CNY  task 8672: kling-3.0, 5 s\n"
        "2 deductions within 30 days: 0.42 USD, 1.1 CNY.\n"
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["ledger", "units", "--days", "0"],
            "--days must be a whole number from 1; found 0. Nothing was sent.\n",
        ),
        (["ledger", "units", "--days", "9999999"], "--days must be less; found 9999999. Nothing was sent.\n"),
        (["voices", "list", "--conn-id", "no_such"], "no_such"),
        (
            ["voices", "delete", " ", "--yes"],
            "voice_id must be an id as text; found ' '. Nothing was sent.\n",
        ),
    ],
)
def test_what_goes_wrong_is_one_line(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 1
    printed = capsys.readouterr()
    assert said in printed.err
    assert (printed.out, printed.err.count("\n")) == ("", 1)
    assert ASKED == []

# SPDX-License-Identifier: Apache-2.0
"""The identity: golden values for ever, and what may and may not change it.

If a golden test here fails, every video of every user would be paid once more: mend the code, not the test.
"""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_provider.api.parsing import parse_request
from kling_provider.identity import Identity
from kling_provider.prompts import load_prompts

WHERE: dict[str, Any] = {
    "pay_once_per": "run",
    "namespace": "",
    "dag_id": "films",
    "task_id": "video",
    "run_id": "manual__2026-11-24",
    "map_index": -1,
}


def identity(request: dict[str, Any], images: dict[str, str] | None = None, **where: Any) -> Identity:
    return Identity.of_request(parse_request(request), images=images, **{**WHERE, **where})


@pytest.mark.parametrize(
    ("request_", "where", "attempt", "expected"),
    [
        ({"prompt": "A red panda brews tea"}, {}, 0, "af-3a51054ddddef88e9541e3d038446d1bf74788b5"),
        ({"prompt": "A red panda brews tea"}, {}, 1, "af-3a51054ddb1433269e843f35a8b5e60309b33fc3"),
        (
            {"prompt": "A red panda brews tea", "take": 2, "name": "panda"},
            {"pay_once_per": "dag"},
            0,
            "af-3a51054dea8464989136de82650c0f7a85558a7d",
        ),
        (
            {"prompt": "A red panda brews tea"},
            {"pay_once_per": "account", "namespace": "test"},
            0,
            "af-d7ac224486eebdabfa057a0a3cc80b34893058e6",
        ),
        (
            {"prompt": "可灵", "audio": "native", "duration": 10, "model": "kling-v3"},
            {"map_index": 7},
            0,
            "af-3a51054da7349d7b6f8885abc8e872bca16f6ab8",
        ),
        ({"prompt": "x", "external_task_id": "my-own.id"}, {}, 0, "my-own.id"),
        (
            {
                "prompt": "x",
                "model": "kling-v1-6",
                "cfg_scale": 0.5,
                "camera_control": {"type": "simple", "config": {"pan": 2, "zoom": 0}},
            },
            {},
            0,
            "af-3a51054d5f37124a6110ef1f1bb04b5e466619e6",
        ),
        (
            {"type": "image_to_video", "first_frame": "a.png"},
            {"images": {"first_frame": "sha256:00ff"}},
            0,
            "af-3a51054d6a3eb8697eb6e2d4907e519c6fbd14c6",
        ),
    ],
)
def test_golden_external_ids(
    request_: dict[str, Any], where: dict[str, Any], attempt: int, expected: str
) -> None:
    assert identity(request_, **where).external_task_id(attempt) == expected


@pytest.mark.parametrize(
    ("file", "text", "name", "expected"),
    [
        (
            "panda.md",
            "---\nduration: 10\n---\nA red panda brews tea.\n",
            "panda",
            "af-3a51054ded96b2360f731e93361b2ce70c2d4469",
        ),
        (
            "ideas.txt",
            "# ideas\n一只小熊猫在泡茶\n",
            "ideas/一只小熊猫在泡茶-4fdbe43e",
            "af-3a51054db57f8f61d66353a0b1f2caaf99c52863",
        ),
        *(
            (file, text, "ideas/一只小熊猫在泡茶-4add771b", "af-3a51054d05389c1460ff9590b88ec03d144a15ef")
            for file, text in (
                ("ideas.csv", "prompt;duration\n一只小熊猫在泡茶;10\n"),
                ("ideas.yaml", "- {prompt: 一只小熊猫在泡茶, duration: 10}\n"),
                ("ideas.yml", "- {prompt: 一只小熊猫在泡茶, duration: '10'}\n"),
                ("ideas.json", '[{"prompt": "一只小熊猫在泡茶", "duration": "10"}]'),
                ("ideas.jsonl", '{"prompt": "一只小熊猫在泡茶", "duration": 10.0}'),
            )
        ),
        (
            "table.yaml",
            "- {prompt: A panda, audio: off}",
            "table/a-panda-94640840",
            "af-3a51054d76eee8930105ae640cec961b98abbc0d",
        ),
        (
            "table.yaml",
            "- {prompt: A panda, watermark: yes}",
            "table/a-panda-de6536ab",
            "af-3a51054da43ae7260d7f09bcb8f516448663f1bf",
        ),
        (
            "table.yaml",
            "- {prompt: A panda, name: tea}",
            "tea",
            "af-3a51054dd663bb9ed89193651270c2139b49cfbc",
        ),
        (
            "frames.json",
            '[{"type": "image_to_video", "image": "https://images.example/a.png"}]',
            "frames/a-png-49747f0a",
            "af-3a51054d562293f2511aa85cef1217eceef4c651",
        ),
        (
            "poster.yaml",
            'prompt: A boat\nmatrix: {aspect_ratio: ["9:16"]}\n',
            "poster/9x16",
            "af-3a51054d64696026af33880286628968acb76c82",
        ),
    ],
)
def test_golden_of_prompt_files(file: str, text: str, name: str, expected: str, tmp_path: Path) -> None:
    (tmp_path / file).write_text(text, encoding="utf-8")
    (request,) = load_prompts(tmp_path)
    assert request["name"] == name
    assert identity(request).key == expected


def test_the_form_of_an_external_id() -> None:
    assert re.fullmatch(r"af-[0-9a-f]{40}", identity({"prompt": "x"}).key)


@pytest.mark.parametrize(
    "same",
    [
        {"duration": "5"},
        {"duration": 5, "resolution": "720p", "aspect_ratio": "16:9", "audio": "off", "multi_shot": False},
        {"model": "kling-v3", "mode": "std", "sound": "off"},
        {"callback_url": "https://example.org/hook"},
        {"watermark": "false", "take": "0"},
        {"watermark": "0.0", "take": 0.0, "duration": "5.0"},
        {"negative_prompt": " ", "model": "kling-v3", "elements": [], "adopt": ""},
    ],
)
def test_written_out_defaults_and_spelling_change_nothing(same: dict[str, Any]) -> None:
    assert identity({"prompt": "x", **same}).key == identity({"prompt": "x"}).key


def test_a_text_is_itself_in_every_form_and_with_every_line_end() -> None:
    request = {"prompt": "Café\nà Hué", "name": "é", "elements": [{"element_id": "1", "id": "ü"}]}
    keys = {
        identity({**request, "prompt": unicodedata.normalize(form, request["prompt"]).replace("\n", end)}).key
        for form in ("NFC", "NFD")
        for end in ("\n", "\r\n", "\r")
    }
    assert len(keys) == 1
    assert (
        identity({**request, "name": "e\u0301", "elements": [{"element_id": 1, "id": "u\u0308"}]}).key in keys
    )


def test_the_bytes_of_a_files_name_are_its_own() -> None:
    frames = [{"type": "image_to_video", "first_frame": f"{name}.png"} for name in ("é", "e\u0301")]
    assert identity(frames[0]).key != identity(frames[1]).key


@pytest.mark.parametrize(
    "other",
    [{"prompt": "y"}, {"duration": 6}, {"audio": "native"}, {"take": 1}, {"name": "n"}, {"watermark": True}],
)
def test_what_changes_the_video_changes_the_identity(other: dict[str, Any]) -> None:
    assert identity({"prompt": "x", **other}).key != identity({"prompt": "x"}).key


def test_a_name_replaces_the_map_index_so_that_inserted_files_shift_nothing() -> None:
    named = {"prompt": "x", "name": "a"}
    assert identity(named, map_index=1).key == identity(named, map_index=2).key
    assert identity({"prompt": "x"}, map_index=1).key != identity({"prompt": "x"}, map_index=2).key


def test_each_scope_survives_what_it_should() -> None:
    request = {"prompt": "x", "name": "a"}
    other_run, other_dag = {"run_id": "other"}, {"dag_id": "other"}
    for scope, survives_run, survives_dag in (
        ("run", False, False),
        ("dag", True, False),
        ("account", True, True),
    ):
        key = identity(request, pay_once_per=scope).key
        assert (identity(request, pay_once_per=scope, **other_run).key == key) is survives_run
        assert (identity(request, pay_once_per=scope, **other_dag).key == key) is survives_dag
    assert (
        identity(request, pay_once_per="account").key == identity({"prompt": "x"}, pay_once_per="account").key
    )


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"])), st.integers(0, 50), st.integers(0, 19))
def test_ids_are_safe_and_attempts_are_told_apart(prompt: str, take: int, attempt: int) -> None:
    made = Identity.of_request(parse_request({"prompt": f"a{prompt}", "take": take}), **WHERE)
    external = made.external_task_id(attempt)
    assert re.fullmatch(r"af-[0-9a-f]{40}", external)
    assert made.attempt_of(external) == attempt
    assert made.attempt_of("af-" + "0" * 40) is None


def test_images_enter_by_what_stands_for_them() -> None:
    request = parse_request(
        {"type": "image_to_video", "first_frame": "https://example.org/a.png?Signature=s"}
    )
    assert request.fingerprint({"first_frame": "https://example.org/a.png"}) == {
        "type": "image_to_video",
        "first_frame": "https://example.org/a.png",
    }

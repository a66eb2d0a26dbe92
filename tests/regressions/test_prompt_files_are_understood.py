# SPDX-License-Identifier: Apache-2.0
"""Prompt files as people have them: what is not understood is said with its line, and not paid."""

from __future__ import annotations

import csv
import io
import json
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kling_provider.exceptions import KlingRequestError
from kling_provider.prompts import load_prompts

Load = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Writes files (name, text) into a folder and loads it."""

    def loaded(*files: tuple[str, str]) -> list[dict[str, Any]]:
        for name, text in files:
            (tmp_path / name).write_text(text, encoding="utf-8", newline="")
        return load_prompts(tmp_path)

    return loaded


def prompts(requests: list[dict[str, Any]]) -> list[str]:
    return [request["prompt"] for request in requests]


def refusal(load: Callable[[], Any]) -> str:
    """What is said about a folder; that nothing is said is a failure."""
    with pytest.raises(KlingRequestError) as refused:
        load()
    return str(refused.value)


# -- a repository's own files ------------------------------------------------------------------------------


def test_readmes_of_a_user_in_every_language(cases: Path) -> None:
    assert prompts(load_prompts(cases / "prompts" / "readme_translations")) == ["A red panda brews tea."]


@pytest.mark.parametrize(
    "name",
    [
        *("README.zh-CN.md", "README_ja.md", "Readme-fr.txt", "README.pt_BR.md", "readme.de.txt", "README.MD.txt"),
        *("LICENSE.md", "LICENCE.txt", "LICENSE-MIT.txt", "license.txt", "COPYING.txt", "NOTICE.txt"),
        *("CHANGELOG.md", "CHANGELOG.zh.md", "changelog.md", "HISTORY.md", "CHANGES.txt"),
        *("CONTRIBUTING.md", "CONTRIBUTING_zh-CN.md", "CODE_OF_CONDUCT.md", "SECURITY.md", "AUTHORS.md"),
        *("requirements.txt", "package.json", "mkdocs.yml", "CMakeLists.txt"),
    ],
)  # fmt: skip
def test_what_belongs_to_a_repository_is_no_prompt(name: str, load: Load) -> None:
    try:
        found = prompts(load(("tea.md", "A red panda"), (name, "# About\n\nThis is about us.\n")))
    except KlingRequestError as error:
        pytest.fail(f"it was read: {error}")
    assert found == ["A red panda"]


# -- separators and other tools' lines ---------------------------------------------------------------------


def test_dashes_between_the_prompts_of_a_user(cases: Path) -> None:
    assert prompts(load_prompts(cases / "prompts" / "dashes_between")) == [
        "A cat walks on a roof.",
        "A dog swims in a lake.",
    ]


@given(
    st.text(
        st.characters(categories=["P", "S", "Z"], exclude_characters="#/;<{[\u2028\u2029\x85"), max_size=9
    )
)
@settings(max_examples=40, deadline=None)
def test_a_line_without_a_letter_or_digit_is_no_prompt(line: str) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "a.txt").write_text(f"A cat\n{line}\nA dog\n", encoding="utf-8")
        assert prompts(load_prompts(folder)) == ["A cat", "A dog"]


def test_the_blocks_of_a_users_other_tool(cases: Path) -> None:
    said = refusal(lambda: load_prompts(cases / "prompts" / "inspire_blocks"))
    assert "p.txt:1: is a line of another tool's format" in said
    assert "negative_prompt:" in said
    assert len(said.splitlines()) == 2


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("Negative prompt: blurry, text", "is a line of another tool's format"),
        ("Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1", "is a line of another tool's format"),
        ('--prompt "A cat" --negative_prompt "text" --width 512', "is a line of another tool's format"),
        ("prompt: A cat on a roof", "is a line of another tool's format"),
        ("duration: 10", "begins with the key duration"),
        ("- prompt: A cat", "begins with the key prompt"),
        ('{"prompt": "A cat"}', "is JSON"),
        ('[{"prompt": "A cat"}]', "is JSON"),
        ("// the second scene", "is a comment or markup"),
        ("; the second scene", "is a comment or markup"),
        ("<!-- the second scene -->", "is a comment or markup"),
        ("00:00:01,000 --> 00:00:04,000", "is a line of subtitles"),
        ("name,prompt,duration", "is the header of a table"),
    ],
)
def test_a_line_of_something_else_is_refused(line: str, says: str, load: Load) -> None:
    assert f"a.txt:2: {says}" in refusal(lambda: load(("a.txt", f"A cat\n{line}\nA dog\n")))


def test_two_equal_lines_of_a_user(cases: Path) -> None:
    said = refusal(lambda: load_prompts(cases / "prompts" / "repeat_in_txt"))
    assert "give each a name" not in said
    assert "remove one of them" in said


# -- heads --------------------------------------------------------------------------------------------------


def test_the_toml_head_of_a_user(cases: Path) -> None:
    said = refusal(lambda: load_prompts(cases / "prompts" / "toml_head"))
    assert "a.md:1: has a head in TOML (+++)" in said


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("\n+++\nduration = 10\n+++\nA red panda\n", 2),
        ('{\n  "duration": 10\n}\n\nA red panda\n', 1),
        (";;;\nduration: 10\n;;;\nA red panda\n", 1),
        ("---toml\nduration = 10\n---\nA red panda\n", 1),
        ("<!-- by Ann -->\n---\nduration: 10\n---\nA red panda\n", 2),
        ("<!--\nby Ann\n-->\n\n+++\nduration = 10\n+++\nA red panda\n", 5),
        (" ---\nduration: 10\n---\nA red panda\n", 1),
        ("# Tea\n\n---\nduration: 10\n---\nA red panda\n", 3),
        ("duration: 10\n\nA red panda\n", 1),
        ("---\nduration: 10\n---\nA red panda\n\n---\nduration: 5\n---\nA heron\n", 6),
    ],
)
def test_a_head_that_is_not_read_is_refused(text: str, line: int, load: Load) -> None:
    assert f"a.md:{line}: " in refusal(lambda: load(("a.md", text)))


# -- tables -------------------------------------------------------------------------------------------------


def test_the_separator_line_of_a_users_excel(cases: Path) -> None:
    (request,) = load_or_fail(cases / "prompts" / "excel_sep")
    assert (request["name"], request["prompt"], request["duration"]) == ("a", "A cat, slow", 5)


def load_or_fail(folder: Path) -> list[dict[str, Any]]:
    try:
        return load_prompts(folder)
    except KlingRequestError as error:
        pytest.fail(f"it was refused: {error}")


@pytest.mark.parametrize(
    "text",
    [
        "sep=,\nname,prompt\nx,A cat\n",
        'SEP=;\r\nname;prompt\r\nx;A cat\r\n',
        "sep=\t\nname\tprompt\nx\tA cat\n",
        "sep=|\nname|prompt\nx|A cat\n",
        "name|prompt\nx|A cat\n",
        "\ufeffname,prompt\n---,---\nx,A cat\n",
    ],
)  # fmt: skip
def test_tables_with_other_separators(text: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(text, encoding="utf-8", newline="")
    found = load_or_fail(tmp_path)
    assert [(request["name"], request["prompt"]) for request in found] == [("x", "A cat")]


def test_two_tables_of_a_user_in_one_file(cases: Path) -> None:
    said = refusal(lambda: load_prompts(cases / "prompts" / "joined_csv"))
    assert "p.csv:3: must not repeat the header" in said


@given(st.lists(st.sampled_from(["name", "duration", "model", "resolution"]), unique=True), st.integers(1, 4))
@settings(max_examples=20, deadline=None)
def test_a_row_that_repeats_the_header_is_refused(more: list[str], before: int) -> None:
    import tempfile

    header = ["prompt", *more]
    rows = [[f"A cat {number}", *("" for _ in more)] for number in range(before)]
    text = io.StringIO(newline="")
    csv.writer(text).writerows([header, *rows, header])
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "a.csv").write_text(text.getvalue(), encoding="utf-8")
        assert f"a.csv:{before + 2}: must not repeat the header" in refusal(lambda: load_prompts(folder))


def test_the_index_of_a_users_data_frame(cases: Path) -> None:
    said = refusal(lambda: load_prompts(cases / "prompts" / "pandas_index"))
    assert len(said.splitlines()) == 2
    assert "a column must have a name" in said


@pytest.mark.parametrize("header", ["Unnamed: 0", "", "Unnamed: 0.1"[:10]])
def test_an_index_is_said_once(header: str, load: Load) -> None:
    rows = "".join(f"{number},A cat {number}\n" for number in range(40))
    said = refusal(lambda: load(("a.csv", f"{header},prompt\n{rows}")))
    assert len(said.splitlines()) == 2
    assert "where it is an index" in said


def test_the_wrong_column_of_a_user(cases: Path) -> None:
    said = refusal(lambda: load_prompts(cases / "prompts" / "one_wrong_column"))
    assert len(said.splitlines()) == 2
    assert "(in 30 rows)" in said


@pytest.mark.parametrize(("columns", "rows"), [(1, 60), (3, 5000)])
def test_a_wrong_column_is_said_once_however_long_the_table_is(columns: int, rows: int, load: Load) -> None:
    header = ",".join(["prompt", *(f"xy{number}" for number in range(columns))])
    lines = [",".join([f"A cat {row}", *("1" for _ in range(columns))]) for row in range(rows)]
    said = refusal(lambda: load(("a.csv", "\n".join([header, *lines]))))
    assert len(said.splitlines()) == 1 + columns
    assert said.count(f"(in {rows:,} rows)") == columns
    assert len(said) < 3000


@pytest.mark.parametrize("form", ["csv", "jsonl", "json", "yaml", "txt"])
def test_thousands_of_mistakes_fill_no_log(form: str, load: Load) -> None:
    entries = [{"prompt": f"A cat {row}", "duration": row + 100} for row in range(2000)]
    text = {
        "csv": "prompt,duration\n" + "\n".join(f"{one['prompt']},{one['duration']}" for one in entries),
        "jsonl": "\n".join(map(json.dumps, entries)),
        "json": json.dumps(entries, indent=1),
        "yaml": "\n".join(f"- {{prompt: {one['prompt']}, duration: {one['duration']}}}" for one in entries),
        "txt": "\n".join(f"negative: cat {row}" for row in range(2000)),
    }[form]
    assert len(refusal(lambda: load((f"a.{form}", text)))) < 20_000


def test_a_users_table_with_images_and_no_type(cases: Path) -> None:
    said = refusal(lambda: load_prompts(cases / "prompts" / "klingtool_csv"))
    assert "add a column `type` with image_to_video" in said


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("a.md", "---\nfirst_frame: https://images.example/a.png\n---\nIt turns"),
        ("a.yaml", "- {image: 'https://images.example/a.png', prompt: It turns}"),
        ("a.jsonl", '{"image_tail": "https://images.example/a.png"}'),
    ],
)
def test_an_image_without_a_type_says_what_to_write(file: str, text: str, load: Load) -> None:
    assert "write type: image_to_video" in refusal(lambda: load((file, text)))


def test_a_cell_may_hold_an_image(load: Load) -> None:
    image = "/9j/" + "A" * 400_000
    try:
        (request,) = load(("a.csv", f"type,first_frame,name\nimage_to_video,{image},x\n"))
    except KlingRequestError as error:
        pytest.fail(str(error)[:300])
    assert request["first_frame"] == image


# -- YAML ---------------------------------------------------------------------------------------------------


def test_a_users_hash_is_not_cut_off(cases: Path) -> None:
    said = refusal(lambda: load_prompts(cases / "prompts" / "yaml_hash"))
    assert "a.yaml:1: prompt: ends before '#cyberpunk #4k, slow push-in'" in said


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("- prompt: A city # at night", 1),
        ("- prompt: A city\n    at night #neon\n", 2),
        ("- A city #neon", 1),
        ("defaults: {duration: 3}\nprompts:\n  - A city #neon\n", 3),
        ("- prompt: A cat\n- prompt: &rain and thunder\n", 2),
        ("prompt: A cat\nmodel: kling-v1\nnegative_prompt: text #logo\n", 3),
        ("prompt: A cat\nmatrix:\n  prompt:\n    - A dog #small\n", 4),
    ],
)
def test_what_yaml_would_leave_out_of_a_prompt_is_said(text: str, line: int, load: Load) -> None:
    said = refusal(lambda: load(("a.yaml", text)))
    assert f"a.yaml:{line}: " in said
    assert "put the text in quotes" in said


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("aspect_ratio: 16:9", {"aspect_ratio": "16:9"}),
        ("aspect_ratio: 9:16", {"aspect_ratio": "9:16"}),
        ("duration: 010", {"duration": 10}),
        ("take: 0o17", {"take": 15}),
        ("aspect_ratio: 1:1", {"aspect_ratio": "1:1"}),
        ("matrix: {duration: [012]}", {"duration": 12}),
    ],
)
def test_yaml_means_what_people_wrote(written: str, meant: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(f"- prompt: A cat\n  {written}\n")
    (request,) = load_or_fail(tmp_path)
    assert {key: request[key] for key in meant} == meant


# -- text ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "prompt"),
    [
        ("A red panda\nbrews tea\nin the rain.", "A red panda brews tea in the rain."),
        ("A red panda  \nbrews tea", "A red panda\nbrews tea"),
        ("A red panda\\\nbrews tea", "A red panda\nbrews tea"),
        ("One\ntwo\n\nthree\nfour", "One two\n\nthree four"),
        ("# Tea\nA red panda\nbrews", "# Tea\nA red panda brews"),
        ("- one\n- two\n  and more\n1. three", "- one\n- two and more\n1. three"),
        ("```\na\nb\n```\nc\nd", "```\na\nb\n```\nc d"),
        ("一只小熊猫\n在泡茶", "一只小熊猫 在泡茶"),
    ],
)
def test_a_line_break_of_markdown_is_a_space(body: str, prompt: str, load: Load) -> None:
    assert prompts(load(("a.md", body))) == [prompt]


def test_a_file_of_a_mac_has_the_name_that_it_has_elsewhere(load: Load) -> None:
    (request,) = load((unicodedata.normalize("NFD", "Café à Hué.md"), "A cat"))
    assert request["name"] == "Café à Hué"


@pytest.mark.parametrize("name", ["a.tsv", "a.ndjson", "a.markdown"])
def test_a_form_by_another_name_is_passed_over_with_a_word(
    name: str, load: Load, caplog: pytest.LogCaptureFixture
) -> None:
    assert prompts(load(("b.md", "A cat"), (name, "A dog"))) == ["A cat"]
    assert f"{name} is skipped: call it ." in caplog.text


def test_a_folder_of_nothing_else_says_so(load: Load) -> None:
    assert "a.ndjson is skipped: call it .jsonl" in refusal(lambda: load(("a.ndjson", '{"prompt": "A"}')))


@pytest.mark.parametrize(
    ("letters", "most"),
    [("猫", 11_000), ("я", 11_000), ("か", 11_000), ("ع", 11_000)],
)
def test_the_longest_prompt_of_4_0_depends_on_its_script(letters: str, most: int, load: Load) -> None:
    entry = {"model": "kling-4.0", "name": "x"}
    (request,) = load(("a.json", json.dumps([{**entry, "prompt": letters * most}])))
    assert len(request["prompt"]) == most
    said = refusal(lambda: load(("a.json", json.dumps([{**entry, "prompt": letters * (most + 1)}]))))
    assert "26000" in said


@pytest.mark.parametrize("model", ["kling-3.0-omni", "kling-v3-omni", "kling-o1", "kling-video-o1"])
@pytest.mark.parametrize("control", [{"camera_control": {"type": "down_back"}}, {"cfg_scale": 0.7}])
def test_a_camera_is_for_models_that_have_one(control: dict[str, Any], model: str, load: Load) -> None:
    said = refusal(lambda: load(("a.json", json.dumps([{"prompt": "A cat", "model": model, **control}]))))
    assert "only the kling-v1 models have this field" in said

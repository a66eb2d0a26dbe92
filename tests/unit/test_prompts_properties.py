# SPDX-License-Identifier: Apache-2.0
"""What holds for prompt files of any content."""

from __future__ import annotations

import csv
import io
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kling_provider.exceptions import KlingRequestError
from kling_provider.prompts import load_prompts

SUFFIXES = ["md", "yaml", "yml", "json", "jsonl", "csv", "txt"]

prompts = (
    st.text(st.one_of(st.characters(exclude_categories=["Cs", "Cc"]), st.sampled_from("\n\t-#:'\"{},;")), min_size=1)
    # What <<< begins may be a reference to an image that is not there.
    .filter(lambda text: bool(text.strip()) and "<<<" not in text)
    .map(str.strip)
)  # fmt: skip
file_names = st.from_regex(r"[a-z]{1,3}(/[a-z]{1,3})?", fullmatch=True)


def loaded(files: Mapping[str, str | bytes], **options: Any) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        return load_prompts(folder, **options)


def as_csv(prompt: str) -> str:
    text = io.StringIO(newline="")
    csv.writer(text).writerows([["name", "prompt"], ["x", prompt]])
    return text.getvalue()


@pytest.mark.slow
@given(prompts)
@example("---\nA\n---\nB")
@example("{{ x }} {% y %}")
@example("# A, B; 'C' \"D\"")
@settings(max_examples=80, deadline=None)
def test_any_prompt_comes_back_from_every_form(prompt: str) -> None:
    entry = {"name": "x", "prompt": prompt}
    forms = {
        "x.json": json.dumps(entry, ensure_ascii=False),
        "x.jsonl": json.dumps(entry),
        "x.csv": as_csv(prompt),
        "x.yaml": yaml.safe_dump(entry, allow_unicode=True),
    }
    for name, text in forms.items():
        assert loaded({name: text}) == [{"name": "x", "type": "text_to_video", "prompt": prompt}], name


@pytest.mark.slow
@given(prompts.filter(lambda text: "\\" not in text))
@example("---\nA\n---\nB")
@example("# A\nB\nC\n\n- D\n  E\n- F")
@settings(max_examples=80, deadline=None)
def test_of_markdown_every_word_comes_back(prompt: str) -> None:
    (request,) = loaded({"x.md": f"---\nname: x\n---\n{prompt}\n"})
    assert request["prompt"].split() == prompt.split()
    if "\n" not in prompt:
        assert request["prompt"] == prompt


@given(
    prompts.filter(
        lambda text: "\n" not in text and not text.startswith("#") and any(map(str.isalnum, text))
    ).map(lambda text: f"A {text}")
)
@example("A <<<0_0>>>")
@settings(max_examples=40, deadline=None)
def test_any_line_comes_back_from_text(prompt: str) -> None:
    assert [each["prompt"] for each in loaded({"x.txt": f"# ideas\n{prompt}\n"})] == [prompt]


@pytest.mark.slow
@given(
    st.dictionaries(file_names, st.integers(1, 3), min_size=2, max_size=8),
    st.sampled_from(SUFFIXES),
    st.data(),
)
@settings(max_examples=50, deadline=None)
def test_a_file_more_or_less_changes_nothing_for_the_others(
    rows: dict[str, int], suffix: str, data: st.DataObject
) -> None:
    def content(name: str, count: int) -> str:
        texts = [f"{name} {number}" for number in range(count)]
        match suffix:
            case "md":
                return f"---\nvariants: {count}\n---\n{name}"
            case "txt":
                return "\n".join(texts)
            case "csv":
                return "\n".join(["prompt", *texts])
            case "jsonl":
                return "\n".join(json.dumps({"prompt": text}) for text in texts)
            case _:
                return json.dumps(texts)

    # The same word with another ending, so that no file is a folder as well.
    files = {f"{name}.{suffix}": content(name, count) for name, count in rows.items()}
    everything = loaded(files)
    gone = data.draw(st.sampled_from(sorted(files)))
    rest = loaded({name: text for name, text in files.items() if name != gone})
    assert [each for each in everything if each in rest] == rest
    assert len(rest) == len(everything) - rows[gone.removesuffix(f".{suffix}")]
    assert loaded(dict(reversed(files.items()))) == everything


@given(
    st.lists(st.integers(0, 50), min_size=1, max_size=12, unique=True),
    st.integers(0, 11),
    st.integers(51, 60),
)
@settings(max_examples=40, deadline=None)
def test_a_row_more_renames_no_other(rows: list[int], place: int, new: int) -> None:
    before = loaded({"t.txt": "\n".join(f"film {row}" for row in rows)})
    more = [*rows[:place], new, *rows[place:]]
    after = loaded({"t.txt": "\n".join(f"film {row}" for row in more)})
    assert [each for each in after if each["prompt"] != f"film {new}"] == before


scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8))
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
keys = st.sampled_from(
    [
        "name",
        "take",
        "adopt",
        "type",
        "prompt",
        "model",
        "model_name",
        "duration",
        "resolution",
        "mode",
        "audio",
        "sound",
        "aspect_ratio",
        "first_frame",
        "image",
        "camera_control",
        "elements",
        "multi_prompt",
        "dynamic_masks",
        "variants",
        "matrix",
        "defaults",
        "prompts",
        "<<",
        "x",
    ]
) | st.text(max_size=5)
fragments = st.sampled_from(
    ["---\n", "\n", "prompt: ", "- ", "? ", "&a ", "*a", "!!set ", '"', "'", "|\n ", "{", "}", "[", "]", ",", ":", "#",
     "duration: 5\n", "matrix: ", "name: a\n", "\t", "\\u", "\\U00110000", "0x_", "1:2", "~", "{{ x }}", "{% ", "%YAML"]
)  # fmt: skip
contents = st.one_of(
    st.binary(max_size=60),
    st.text(max_size=60).map(lambda text: text.encode(errors="surrogatepass")),
    st.lists(fragments, max_size=12).map(lambda parts: "".join(parts).encode()),
    st.dictionaries(keys, values, max_size=5).map(lambda entry: json.dumps(entry).encode()),
    st.lists(st.dictionaries(keys, values, max_size=4), max_size=3).map(
        lambda entries: json.dumps(entries).encode()
    ),
)


@pytest.mark.slow
@given(
    st.dictionaries(
        st.tuples(
            st.sampled_from(["a", "b", "defaults", "s/c", "s/defaults"]), st.sampled_from(SUFFIXES)
        ).map(".".join),
        contents,
        min_size=1,
        max_size=3,
    ),
    st.sampled_from([None, {}, {"x": "A {{ y }}"}]),
)
@settings(max_examples=150, deadline=None)
def test_whatever_is_in_the_files_there_are_requests_or_problems(
    files: dict[str, bytes], filled: dict[str, Any] | None
) -> None:
    try:
        found = loaded(files, values=filled)
    except KlingRequestError as error:
        assert error.problems  # noqa: PT017 - either way out is right
        return
    json.dumps(found, allow_nan=False).encode()
    labels = [(request["name"].casefold(), request.get("take", 0)) for request in found]
    assert len(set(labels)) == len(labels) > 0

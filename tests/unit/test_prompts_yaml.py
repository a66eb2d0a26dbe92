# SPDX-License-Identifier: Apache-2.0
"""YAML by the core schema of 1.2: what people wrote, beside what YAML 1.1 made of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from kling_provider.exceptions import KlingRequestError
from kling_provider.prompts import load_prompts
from kling_provider.prompts.formats.yaml_text import YamlText

_TEXTS = {"name", "prompt", "negative_prompt", "adopt", "external_task_id", "element_id", "voice_id", "id"}


def by_1_1(text: str) -> Any:
    """``text`` as the reader before this one read it: PyYAML's types, but text where a key holds text."""

    def read(node: yaml.Node | None, key: str) -> Any:
        if isinstance(node, yaml.MappingNode):
            return {name.value: read(value, name.value) for name, value in node.value}
        if isinstance(node, yaml.SequenceNode):
            return [read(item, "") for item in node.value]
        if node is None or node.tag.endswith(":null"):
            return None
        if node.tag.endswith((":str", ":timestamp", ":value")) or key in _TEXTS:
            return node.value
        return yaml.SafeLoader("").construct_object(node)

    return read(yaml.SafeLoader(text).get_single_node(), "")


#: scalar -> by YAML 1.1, by the core schema of 1.2.
SCALARS: dict[str, tuple[Any, Any]] = {
    "16:9": (969, "16:9"),
    "12:30:45": (45045, "12:30:45"),
    "1:30.5": (90.5, "1:30.5"),
    "off": (False, "off"),
    "on": (True, "on"),
    "yes": (True, "yes"),
    "No": (False, "No"),
    "010": (8, 10),
    "0o17": ("0o17", 15),
    "0b11": (3, "0b11"),
    "1_000": (1000, "1_000"),
    "1e3": ("1e3", 1000.0),
    "08": ("08", 8),
    "2026-11-27": ("2026-11-27", "2026-11-27"),
    "true": (True, True),
    "FALSE": (False, False),
    "0x1f": (31, 31),
    "5": (5, 5),
    "-5.50": (-5.5, -5.5),
    ".5": (0.5, 0.5),
    "~": (None, None),
    "null": (None, None),
    "=": ("=", "="),
    ".inf": (float("inf"), ".inf"),
    "9" * 5000: ("9" * 5000, "9" * 5000),
}


@pytest.mark.parametrize(
    ("scalar", "old", "new"), [(one, *both) for one, both in SCALARS.items() if len(one) < 99]
)
def test_a_scalar_then_and_now(scalar: str, old: Any, new: Any) -> None:
    assert by_1_1(f"x: {scalar}") == {"x": old}
    assert YamlText(f"x: {scalar}").value == {"x": new}
    text = None if new is None else scalar
    assert YamlText(f"name: {scalar}").value == {"name": text}
    assert YamlText(f"matrix: {{prompt: ['{scalar}', {scalar}]}}").value["matrix"]["prompt"] == [scalar, text]


def test_a_number_of_thousands_of_digits_is_text() -> None:
    assert YamlText(f"x: {'9' * 5000}").value == {"x": "9" * 5000}


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("!!int '010'", 10),
        ("!!int 'x'", "x"),
        ("!!bool 'yes'", "yes"),
        ("!!bool 'TRUE'", True),
        ("!!str 5", "5"),
    ],
)
def test_a_type_that_is_written_out(written: str, value: Any) -> None:
    document = YamlText(f"x: {written}")
    assert document.value == {"x": value}
    assert not document.problems


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("audio: off", {"audio": "off"}),
        ("audio: on", {"audio": "native"}),
        ("audio: yes", {"audio": "native"}),
        ("sound: No", {"audio": "off"}),
        ("watermark: yes", {"watermark": True}),
        ("watermark: no", {"watermark": False}),
        ("multi_shot: On", {"multi_shot": True}),
        ("name: off", {"name": "off"}),
        ("name: 1_000", {"name": "1_000"}),
        ("name: 12:30:45", {"name": "12:30:45"}),
        ("adopt: 012345", {"adopt": "012345"}),
        ("take: 08", {"take": 8}),
        ("variants: 1_0", {"prompt": "A cat"}),
        ("aspect_ratio: '16:9' # quoted", {"aspect_ratio": "16:9"}),
        ("duration: 10 # seconds", {"duration": 10}),
        ("resolution: 720p  # small", {"resolution": "720p"}),
    ],
)
def test_what_is_true_or_false_stays_valid_and_text_stays_text(
    written: str, meant: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "a.yaml").write_text(f"- prompt: A cat\n  {written}\n")
    request = load_prompts(tmp_path)[0]
    assert {key: request[key] for key in meant} == meant


def documents(root: Path) -> Iterator[tuple[str, str]]:
    """Every YAML text below ``root``: files, heads of Markdown, and examples in documentation."""
    for path in sorted(root.rglob("*")):
        if path.suffix in (".yaml", ".yml"):
            yield path.name, path.read_text(encoding="utf-8")
        elif path.suffix == ".md":
            text = path.read_text(encoding="utf-8")
            if head := re.match(r"---\n(.*?\n)---\n", text, re.DOTALL):
                yield path.name, head[1]
            yield from ((path.name, one) for one in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL))


def differences(root: Path) -> dict[str, list[tuple[Any, Any]]]:
    """By file, each value that the two readers read otherwise: as 1.1 had it, and now."""

    def compare(old: Any, new: Any) -> Iterator[tuple[Any, Any]]:
        if isinstance(old, dict) and isinstance(new, dict) and old.keys() == new.keys():
            for key in old:
                yield from compare(old[key], new[key])
        elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
            for one, other in zip(old, new, strict=True):
                yield from compare(one, other)
        elif old != new or type(old) is not type(new):
            yield old, new

    found: dict[str, list[tuple[Any, Any]]] = {}
    for name, text in documents(root):
        if differing := list(compare(by_1_1(text), YamlText(text).value)):
            found.setdefault(name, []).extend(differing)
    return found


def test_no_example_of_ours_reads_otherwise_than_before(repository: Path) -> None:
    found = {folder: differences(repository / folder) for folder in ("dags", "docs", "demo")}
    assert found == {
        "dags": {},
        "docs": {"prompt-files.md": [(False, "off"), (969, "16:9"), (556, "9:16")]},
        "demo": {},
    }
    assert sum(1 for folder in ("dags", "docs") for _ in documents(repository / folder)) > 5


def test_no_case_of_a_user_reads_otherwise_than_before(cases: Path) -> None:
    assert differences(cases / "prompts") == {}
    assert list(documents(cases / "prompts"))


@pytest.mark.parametrize("text", ["-", "- ", "prompt:", "prompts:\n-", "prompts:\n  - prompt:"])
def test_a_prompt_that_is_missing_at_the_very_end_is_a_problem(text: str, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(KlingRequestError, match=r"a\.yaml"):
        load_prompts(tmp_path)

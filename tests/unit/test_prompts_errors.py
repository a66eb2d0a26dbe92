# SPDX-License-Identifier: Apache-2.0
"""Prompt files that are wrong: every problem at once, each with its place and the way out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from airflow.exceptions import AirflowFailException

from kling_provider.exceptions import KlingRequestError
from kling_provider.prompts import load_prompts


@pytest.fixture(autouse=True)
def _inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Relative paths are the form that messages have in practice."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dags" / "prompts").mkdir(parents=True)


def write(name: str, text: str | bytes) -> None:
    path = Path("dags/prompts") / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())


def problems(**options: Any) -> list[str]:
    with pytest.raises(KlingRequestError) as caught:
        load_prompts("dags/prompts", **options)
    summary, *lines = str(caught.value).splitlines()
    count = "1 problem" if len(lines) == 1 else f"{len(lines)} problems"
    assert summary == f"{count} in dags/prompts, nothing was sent:"
    assert [str(problem) for problem in caught.value.problems] == lines
    return [line.removeprefix("dags/prompts/") for line in lines]


def test_five_different_mistakes_come_at_once() -> None:
    write("fine.md", "A red panda brews tea.")
    write("a.md", "---\nname: tea\n\nduration: 99\n---\nA red panda brews tea.\n")
    write("b.yaml", "prompt: A cat\naspect_ratio: 16x9\n")
    write("c.csv", "name,prompt,duraton\nx,A cat,5\n")
    write(
        "d/e.json", '{\n\t"prompt": "A dog",\n\t"type": "image_to_video",\n\t"first_frame": "gone.png"\n}\n'
    )
    write("f.md", "---\nname: Tea\n---\nTea once more\n")
    assert problems() == [
        "a.md:4: duration 99: must be 3 to 15 seconds for kling-3.0",
        "b.yaml:2: aspect_ratio '16x9': must be written like \"16:9\"",
        "c.csv:2: duraton '5': must be a known key. Did you mean 'duration'?",
        "d/e.json:4: first_frame 'gone.png': there is no such file "
        f"(looked for {Path.cwd()}/dags/prompts/d/gone.png)",
        "f.md:2: name: 'Tea' must be unique, and dags/prompts/a.md:2 has it as well; case does not count",
    ]  # fmt: skip


def test_the_error_is_permanent() -> None:
    with pytest.raises(AirflowFailException):
        load_prompts("dags/prompts")


def test_problems_carry_their_place_as_data() -> None:
    write("a.md", "---\nduration: 99\n---\nA")
    with pytest.raises(KlingRequestError) as caught:
        load_prompts("dags/prompts")
    (problem,) = caught.value.problems
    assert (problem.field, problem.found) == ("duration", 99)
    assert (getattr(problem, "file", None), getattr(problem, "line", None)) == ("dags/prompts/a.md", 2)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        # The line of the key, in every form.
        ("a.md", "\n---\nmode: huge\n---\nA", ["a.md:3: mode 'huge': must be one of: std (720p), pro (1080p), 4k"]),
        (
            "a.md",
            "---\nmodel_name: kling-3-0\n---\nA",
            ["a.md:2: model 'kling-3-0': must be a known model. Did you mean 'kling-3.0'?"],
        ),
        (
            "a.md",
            "---\nmodel: kling-v1-6\ncamera_control:\n  type: simple\n  config: {pan: 50}\n---\nA",
            ["a.md:5: camera_control.config.pan 50: must be 10 or less"],
        ),
        (
            "a.yaml",
            "- prompt: A\n- prompt: B\n  elements:\n    - element_id: 1\n    - id: x\n",
            ["a.yaml:5: elements.1.element_id: must be given"],
        ),
        (
            "a.yaml",
            "defaults:\n  duration: 3\n  resolutoin: 720p\nprompts:\n  - prompt: A\n",
            ["a.yaml:3: resolutoin '720p': must be a known key. Did you mean 'resolution'?"],
        ),
        (
            "a.jsonl",
            '{"prompt": "A"}\n{"prompt": "B", "take": -1}\n',
            ["a.jsonl:2: take -1: must be 0 or more"],
        ),
        ("a.csv", 'prompt,take\n"A\nB",1\nC,x\n', ["a.csv:4: take 'x': must be a whole number"]),
        # Two mistakes in one entry are two problems.
        (
            "a.md",
            "---\nduration: 99\naudio: loud\nvarients: 2\n---\nA",
            [
                "a.md:2: duration 99: must be 3 to 15 seconds for kling-3.0",
                "a.md:3: audio 'loud': must be one of: off, native.",
                "a.md:4: varients 2: must be a known key. Did you mean 'variants'?",
            ],
        ),
        # Markdown.
        ("a.md", "", ["a.md:1: prompt: must be given: write what the video shows"]),
        (
            "a.md",
            "---\nduration: 5\n---\n \n",
            ["a.md:1: prompt: must be given: write what the video shows"],
        ),
        ("a.md", "---\nduration: 5\nA", ["a.md:1: its head must end with a second --- line"]),
        ("a.md", "---\n- a\n---\nA", ["a.md:1: its head must be a mapping such as duration: 5"]),
        ("a.md", "---\nprompt: A\n---\nB", ["a.md:2: prompt: must be written once: it is in the head and below it"]),
        # YAML.
        ("a.yaml", "", ["a.yaml: must hold at least one prompt"]),
        ("a.yaml", "[]", ["a.yaml:1: must hold at least one prompt"]),
        ("a.yaml", "5", ["a.yaml:1: an entry must be a mapping such as prompt: A red panda (found 5)"]),
        (
            "a.yaml",
            "- prompt: A\n- 7\n",
            ["a.yaml:2: an entry must be a mapping such as prompt: A red panda (found 7)"],
        ),
        (
            "a.yaml",
            "prompt: A\nprompt: B\n",
            ["a.yaml:2: prompt: must be written once; it is in line 1 as well"],
        ),
        ("a.yaml", "prompt: A\n\tb: c\n", ["a.yaml:2: cannot be read as YAML: it has a tab where YAML needs spaces"]),
        (
            "a.yaml",
            "prompt: A\n---\nprompt: B\n",
            ["a.yaml:2: cannot be read as YAML: it has several documents, with --- between; write a list instead"],
        ),
        (
            "a.yaml",
            "prompt: A\nno: 1\n? [x]\n: 2\n1: 3\n",
            [
                "a.yaml:2: no 1: must be one of: ",
                "a.yaml:3: must have a word as a key",
                "a.yaml:5: 1 3: must be one of: ",
            ],
        ),
        (
            "a.yaml",
            "prompt: !!python/name:os.system x\n",
            ["a.yaml:1: prompt: must have no tag tag:yaml.org,2002:python/name:os.system: remove it"],
        ),
        (
            "a.yaml",
            "a: &a [*a]\nprompt: A",
            ["a.yaml:1: cannot be read as YAML: an alias contains itself"],
        ),
        ("a.yaml", "<<: {duration: 5}\nprompt: A", ["a.yaml:1: <<: must not be used: write defaults instead of a merge key"]),
        (
            "a.yaml",
            "prompts: {a: 1}\n",
            ["a.yaml:1: prompts {'a': 1}: must be a list, beside defaults"],
        ),
        (
            "a.yaml",
            "promts: 1\ndefaults: {name: x}\nprompts: [{prompt: A}]\n",
            [
                "a.yaml:1: promts 1: must be a known key. Did you mean 'prompts'?",
                "a.yaml:2: name 'x': must be in an entry, not in defaults",
            ],
        ),
        ("a.yml", "defaults: 5\nprompts: [{prompt: A}]", ["a.yml:1: defaults must be a mapping such as {duration: 5}"]),
        # JSON.
        ("a.json", '{"prompt": "A",}', ["a.json:1: cannot be read as JSON: "]),
        ("a.json", '{\n"prompt": "A",\n"prompt": "B"}', ["a.json:3: prompt: must be written once"]),
        ("a.json", '{"prompt": "A", "cfg_scale": NaN}', ["a.json: cannot be read as JSON: NaN is not a number"]),
        ("a.json", "null", ["a.json: must hold at least one prompt"]),
        ("a.json", "[" * 100_000, ["a.json: cannot be read as JSON: it is nested too deeply"]),
        ("a.yaml", "[" * 100_000, ["a.yaml:1: cannot be read as YAML: it is nested too deeply"]),
        ("a.jsonl", "{}\n{\n[]", [
            "a.jsonl:1: prompt: must be given: write what the video shows",
            "a.jsonl:2: cannot be read as JSON: ",
            "a.jsonl:3: an entry must be a mapping such as prompt: A red panda (found [])",
        ]),
        # CSV.
        ("a.csv", "prompt,take\nA,1,2\n", ["a.csv:2: must have as many cells as the header: at most 2 (has 3)"]),
        ("a.csv", "prompt,prompt,\nA,B,\n", [
            "a.csv:1: prompt: must be in the header once",
            "a.csv:1: the header has an empty cell",
        ]),
        ("a.csv", 'prompt\n"A\n', ["a.csv:2: cannot be read as CSV: unexpected end of data"]),
        ("a.csv", "duration\n5\n", ["a.csv:2: prompt: must be given: write what the video shows"]),
        # Text that is none.
        ("a.txt", b"A\ncaf\xe9\n", ["a.txt:2: must be UTF-8 (found the byte 0xe9): save the file as UTF-8"]),
        ("a.md", "A".encode("utf-16"), ["a.md:1: must be UTF-8 (found the byte 0xff): save the file as UTF-8"]),
        ("a.txt", "A\x00B\n", ["a.txt:1: prompt: must not contain control characters or lone surrogates (found U+0000)"]),
        ("a.json", '{"prompt": "A \\ud83d"}', ["a.json:1: prompt: must not contain control characters or lone surrogates (found U+D83D)"]),
        ("a.yaml", "prompt: A\n# \x07\n", ["a.yaml:2: has a character that YAML does not allow: U+0007"]),
        ("a.yaml", '"\\UFFFFFFFF"', ["a.yaml:1: cannot be read as YAML: it has an escape that is no character"]),
        # Numbers that Python cannot write.
        ("a.yaml", f"prompt: A\ntake: 0x{'f' * 5000}", [f"a.yaml:2: take '0x{'f' * 54}...: must be a whole number"]),
        ("a.yaml", f"prompt: A\nvariants: 0o{'7' * 5000}", [f"a.yaml:2: variants '0o{'7' * 54}...: must be a whole"]),
        ("a.csv", f"prompt,take\nA,{'9' * 5000}.0\n", [f"a.csv:2: take '{'9' * 56}...: must be a whole number"]),
        # Names.
        ("a.yaml", "name: ''\nprompt: A", ["a.yaml:1: name '': must not be empty"]),
        ("a.yaml", "name: [x]\nprompt: A", ["a.yaml:1: name ['x']: must be text"]),
        ("a.json", '{"name": true, "prompt": "A"}', ["a.json:1: name True: must be text"]),
        ("a.yaml", "prompt: A\nname: /etc/x", ["a.yaml:2: name '/etc/x': must have no . or .. as a part"]),
        ("a.yaml", "prompt: A\nname: a/../b", ["a.yaml:2: name 'a/../b': must have no . or .. as a part"]),
        ("a.yaml", "prompt: A\nname: 'a\\b'", ["a.yaml:2: name 'a\\\\b': has a character that file names must not"]),
        ("a.json", '{"prompt": "A", "name": "a\\u0000"}', ["a.json:1: name 'a\\x00': has a character that file "]),
        ("a.yaml", f"prompt: A\nname: {'x/' * 120}y", ["a.yaml:2: name '"]),
        ("a.yaml", f"prompt: A\nname: {'猫' * 80}", ["a.yaml:2: name '"]),
        ("a .md", "A", ["a .md:1: name 'a ': has a part that begins or ends with a space"]),
        (
            "a.txt",
            "A\nB\n\nA\n",
            [
                "a.txt:4: name: must differ from dags/prompts/a.txt:1, which asks for the same: remove one of them; for several results of "
                "one prompt write a .yaml with variants: 2"
            ],
        ),
        (
            "a.yaml",
            "- {name: x, take: 1, prompt: A}\n- {name: x.take1, prompt: B}\n",
            ["a.yaml:2: name: 'x.take1' must be unique, and dags/prompts/a.yaml:1 has it as well"],
        ),
        (
            "a.yaml",
            "- {name: 'x/.y?', prompt: A}\n- {name: X/_y_, prompt: B}\n",
            ["a.yaml:2: name: 'X/_y_' must be unique, and dags/prompts/a.yaml:1 has it as well"],
        ),
        (
            "a.yaml",
            "- {name: x, prompt: A, external_task_id: i-1}\n- {name: y, prompt: B, external_task_id: i-1}\n",
            ["a.yaml:2: external_task_id: 'i-1' must be unique, and dags/prompts/a.yaml:1 has it as well"],
        ),
        # Variants and matrix.
        ("a.yaml", "prompt: A\nvariants: 0", ["a.yaml:2: variants 0: must be a whole number from 1 to 100"]),
        ("a.yaml", "prompt: A\nvariants: 1000", ["a.yaml:2: variants 1000: must be a whole number from 1 to 100"]),
        ("a.yaml", "prompt: A\nvariants: yes", ["a.yaml:2: variants 'yes': must be a whole number from 1 to 100"]),
        ("a.yaml", "prompt: A\ntake: x\nvariants: 2", ["a.yaml:2: take 'x': must be a whole number"]),
        ("a.csv", "prompt,matrix\nA,x\n", ["a.csv:2: matrix 'x': must be a mapping of keys to lists"]),
        (
            "a.yaml",
            'prompt: A\nmatrix:\n  aspect_ratio: ["16:9", 556]\n  duraton: [1]\n  name: [x]\n  audio: off\n',
            [
                "a.yaml:3: aspect_ratio 556: must be in quotes, because YAML reads it as the number 556: write \"9:16\"",
                "a.yaml:4: matrix.duraton: must be a known key. Did you mean 'duration'?",
                "a.yaml:5: matrix.name: must not be in a matrix",
                "a.yaml:6: matrix.audio 'off': must be a list of values",
            ],
        ),
        (
            "a.yaml",
            "prompt: A\nmode: std\nmatrix: {resolution: [720p]}",
            ["a.yaml:3: matrix.resolution: must be written once: resolution is beside the matrix as well"],
        ),
        (
            "a.yaml",
            "prompt: A\nmatrix: {duration: [5, 5]}",
            ["a.yaml:1: name: 'a/duration-5' must be unique, and dags/prompts/a.yaml:1 has it as well"],
        ),
        (
            "a.json",
            json.dumps({"prompt": "A", "matrix": {"duration": list(range(3, 16)), "cfg_scale": [0] * 100}}),
            ["a.json:1: matrix: must make at most 1000 results of one entry"],
        ),
        (
            "a.yaml",
            "prompt: A\nvariants: 2\nadopt: x1\nexternal_task_id: x2",
            [
                "a.yaml:3: adopt 'x1': must not be used with variants or matrix: it belongs to one task",
                "a.yaml:4: external_task_id 'x2': must not be used with variants or matrix: it belongs to one task",
            ],
        ),
        # Images.
        ("a.yaml", "type: image_to_video\nprompt: A", ["a.yaml:1: first_frame: must be given"]),
        (
            "a.yaml",
            "prompt: A\nimage: x.png",
            [
                "a.yaml:2: first_frame 'x.png': belongs to type image_to_video or omni_video, not text_to_video; "
                "write type: image_to_video"
            ],
        ),
        (
            "a.yaml",
            "type: image_to_video\nfirst_frame: .",
            ["a.yaml:2: first_frame '.': there is no such file"],
        ),
        (
            "a.yaml",
            f"type: image_to_video\nfirst_frame: {'x.' * 200}",
            ["a.yaml:2: first_frame 'x.x.x."],
        ),
        ("a.yaml", "type: nothing\nprompt: A", ["a.yaml:1: type 'nothing': must be one of: text_to_video, image_to_video, omni_video"]),
    ],
)  # fmt: skip
def test_each_wrong_file_is_named_with_line_and_way_out(
    name: str, content: str | bytes, expected: list[str]
) -> None:
    write("fine.txt", "This one is fine")
    write(name, content)
    found = problems()
    assert len(found) == len(expected), found
    for line, beginning in zip(found, expected, strict=True):
        assert line.startswith(beginning)


def test_a_wrong_default_is_said_once_with_its_own_place() -> None:
    write("defaults.yaml", "resolution: 720p\nduration: 4\n")
    write("a.md", "A")
    for name in ("x", "y", "z"):
        write(f"{name}.md", "---\nmodel: kling-2.6\n---\nA")
    assert problems() == [
        "defaults.yaml:2: duration 4: must be 5 or 10 seconds for kling-2.6 (for dags/prompts/x.md and 2 more)"
    ]


def test_defaults_that_cannot_be_read() -> None:
    write("defaults.yaml", "- a")
    write("defaults.yml", "duration: 5")
    write("sub/defaults.yaml", "duration: [")
    write("other/defaults.yaml", "name: x\nadopt: y\nexternal_task_id: z\n")
    write("empty/defaults.yaml", "")
    write("a.md", "A")
    found = problems()
    assert [line.split(": ")[0] for line in found] == [
        "defaults.yaml:1",
        "other/defaults.yaml:1",
        "other/defaults.yaml:2",
        "other/defaults.yaml:3",
        "sub/defaults.yaml:1",
    ]
    write("defaults.yaml", "duration: 3")
    assert (
        "defaults.yml: must be the only defaults of its folder, which has dags/prompts/defaults.yaml as well; "
        "keep one of them"
    ) in " ".join(problems())


def test_signatures_and_passwords_are_not_repeated() -> None:
    signed = "https://x.example/a.png?X-Signature=s3cr3t"
    write("a.yaml", f"prompt: A\nfirst_frame: {signed}\n")
    write("b.yaml", f"prompt: A\nelements: [{{element_id: 1, url: '{signed}'}}]\nfoo: ['{signed}']")
    write("c.yaml", "type: image_to_video\nfirst_frame: file://me:s3cr3t@place/a.png")
    write("e.jsonl", f'["{signed}"]')
    write("d.yaml", "prompt: A\ncallback_url: ftp://x.example/?token=s3cr3t")
    found = problems()
    assert len(found) == 6
    assert "s3cr3t" not in "".join(found)
    assert "https://x.example/a.png?…" in found[0]
    with pytest.raises(KlingRequestError) as caught:
        load_prompts("file://me:s3cr3t@place/none")
    assert "s3cr3t" not in str(caught.value)


@pytest.mark.slow
def test_an_alias_bomb_ends_early() -> None:
    levels = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    levels += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    write("a.yaml", "\n".join(levels))
    (line,) = problems()
    assert line.endswith("cannot be read as YAML: its aliases stand for too much")


class TestValues:
    def test_all_unknown_names_with_their_lines(self) -> None:
        write("a.md", "---\nduration: '{{ seconds }}'\n---\n\nA {{ cat }}\nand {{ dgo }},\n{{ cat }}\n")
        assert problems(values={"dog": 1, "seconds": 5}) == [
            "a.md:5: prompt: 'cat' must be in values. Known: dog, seconds.",
            "a.md:6: prompt: 'dgo' must be in values. Did you mean 'dog'?",
        ]

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("A\n{{ cat", "a.md:2: prompt: cannot be filled: unexpected end of template"),
            ("A\n\n{% include 'x' %}", "a.md:3: prompt: cannot be filled: TypeError"),
            ("A\n{{ 1 / 0 }}", "a.md:2: prompt: cannot be filled: ZeroDivisionError"),
            ("{{ cat.__class__.__mro__ }}", "a.md:1: prompt: cannot be filled: SecurityError"),
            ("{{ cat.dog.bird }}", "a.md:1: prompt: cannot be filled: 'str object' has no attribute 'dog'"),
        ],
    )
    def test_what_cannot_be_filled(self, text: str, expected: str) -> None:
        write("a.md", text)
        (line,) = problems(values={"cat": "Tom"})
        assert line.startswith(expected)

    def test_values_are_a_mapping(self) -> None:
        write("a.md", "A")
        with pytest.raises(KlingRequestError, match="Values must be a mapping"):
            load_prompts("dags/prompts", values=["a"])  # type: ignore[arg-type]


class TestPaths:
    def test_a_path_that_does_not_exist(self) -> None:
        with pytest.raises(KlingRequestError) as caught:
            load_prompts("dags/promts")
        text = str(caught.value)
        assert text.startswith(f"There is no dags/promts; looked for {Path.cwd()}/dags/promts, ")
        assert text.endswith("Nothing was sent.")

    def test_a_folder_without_prompt_files(self) -> None:
        write("README.md", "About")
        write("defaults.yaml", "duration: 5")
        write("pictures/a.png", b"")
        with pytest.raises(
            KlingRequestError, match=r"There are no prompt files in dags/prompts: they end in \.md"
        ):
            load_prompts("dags/prompts")

    def test_only_empty_files(self) -> None:
        write("a.csv", "name,prompt\n")
        write("b.txt", "# later\n")
        write("c.jsonl", "")
        with pytest.raises(
            KlingRequestError, match="There are no prompts in dags/prompts: its files are empty"
        ):
            load_prompts("dags/prompts")

    @pytest.mark.parametrize("name", ["a.png", "defaults.yaml"])
    def test_a_file_that_holds_no_prompts(self, name: str) -> None:
        write(name, "")
        with pytest.raises(KlingRequestError, match="prompt file"):
            load_prompts(f"dags/prompts/{name}")

    @pytest.mark.parametrize("path", ["", "file:///no/such/folder", "nosuchscheme://bucket/x"])
    def test_paths_that_are_refused(self, path: str) -> None:
        with pytest.raises(KlingRequestError):
            load_prompts(path)


class TestConnection:
    def test_what_its_api_would_drop(self, monkeypatch: pytest.MonkeyPatch) -> None:
        write("a.md", "---\nnegative_prompt: blur\n---\nA")
        write("b.md", "---\nmodel: kling-3.0-turbo\n---\nB")
        assert len(load_prompts("dags/prompts")) == 2
        standard = {"conn_type": "kling", "password": "sk-x"}
        monkeypatch.setenv("AIRFLOW_CONN_KLING_A", json.dumps(standard))
        (line,) = problems(conn_id="kling_a")
        assert line.startswith(
            "a.md:2: negative_prompt: must be left out: the standard API drops it silently"
        )
        gateway = standard | {"host": "https://gateway.example/kling"}
        monkeypatch.setenv("AIRFLOW_CONN_KLING_B", json.dumps(gateway))
        (line,) = problems(conn_id="kling_b")
        assert line.startswith("b.md:2: model 'kling-3.0-turbo': must be a model of the legacy API")

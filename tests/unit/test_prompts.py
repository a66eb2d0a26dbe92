# SPDX-License-Identifier: Apache-2.0
"""Prompt files that are right: what comes out of them, and in which order."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from kling_provider.exceptions import KlingRequestError
from kling_provider.prompts import load_prompts

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes files (name, text) into a folder of prompts and gives the folder."""

    def files(*pairs: tuple[str, str]) -> Path:
        folder = tmp_path / "prompts"
        for name, text in pairs:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="")
        return folder

    return files


def draw_image(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (640, 640), "navy").save(path)
    return path


def names(requests: list[dict[str, Any]]) -> list[str]:
    return [request["name"] for request in requests]


class TestFormats:
    def test_markdown_with_a_head(self, write: Write) -> None:
        folder = write(
            (
                "red-panda.md",
                '---\nduration: 5\naspect_ratio: "9:16"\ntake: 1\n---\n\nA red panda.\n\n---\n\nRain.\n',
            )
        )
        assert load_prompts(folder) == [
            {
                "name": "red-panda",
                "type": "text_to_video",
                "prompt": "A red panda.\n\n---\n\nRain.",
                "duration": 5,
                "aspect_ratio": "9:16",
                "take": 1,
            }
        ]

    @pytest.mark.parametrize(
        ("text", "prompt"),
        [
            ("A cat\n", "A cat"),
            ("---\n---\nA cat", "A cat"),
            ("\n\n---\n# nothing\n---\nA cat", "A cat"),
            ("\ufeff---\r\nduration: 5\r\n---\r\nA cat\r\nand a dog\r\n", "A cat and a dog"),
            ("---- a line\nA cat", "---- a line A cat"),
            ("---\nprompt: A cat\n---\n", "A cat"),
        ],
    )
    def test_markdown_that_is_no_head_is_the_prompt(self, write: Write, text: str, prompt: str) -> None:
        (request,) = load_prompts(write(("a.md", text)))
        assert request["prompt"] == prompt

    @pytest.mark.parametrize("suffix", ["yaml", "yml", "json"])
    def test_a_mapping_is_one_prompt(self, write: Write, suffix: str) -> None:
        folder = write((f"sea/wave.{suffix}", json.dumps({"prompt": "A wave", "duration": 10})))
        assert load_prompts(folder) == [
            {"name": "sea/wave", "type": "text_to_video", "prompt": "A wave", "duration": 10}
        ]

    @pytest.mark.parametrize("suffix", ["yaml", "json"])
    def test_a_list_and_a_file_with_defaults(self, write: Write, suffix: str) -> None:
        entries = [{"name": "a", "prompt": "A", "duration": 3}, {"name": "b", "prompt": "B"}]
        document = {"defaults": {"duration": 10, "resolution": "1080p"}, "prompts": entries}
        folder = write((f"one.{suffix}", json.dumps(entries)))
        assert [each.get("duration") for each in load_prompts(folder)] == [3, None]
        folder = write((f"one.{suffix}", json.dumps(document)))
        found = load_prompts(folder)
        assert [each["duration"] for each in found] == [3, 10]
        assert [each["resolution"] for each in found] == ["1080p", "1080p"]

    def test_a_list_of_plain_texts(self, write: Write) -> None:
        found = load_prompts(write(("ideas.yaml", "- A cat\n- A dog\n")))
        assert [each["prompt"] for each in found] == ["A cat", "A dog"]

    def test_json_lines(self, write: Write) -> None:
        folder = write(("a.jsonl", '{"name": "x", "prompt": "X\\u2028Y"}\n\n{"name": "y", "prompt": "Y"}\n'))
        assert [each["prompt"] for each in load_prompts(folder)] == ["X\u2028Y", "Y"]

    @pytest.mark.parametrize("sign", [",", ";", "\t"])
    def test_a_csv_is_one_prompt_per_row(self, write: Write, sign: str) -> None:
        rows = [
            ["name", "prompt", "duration", "multi_shot", "model_name"],
            ["x", '"A cat, a ""dog""\r\nand a bird"', "5", "TRUE", "kling-v3"],
            ["", "", "", "", ""],
            ["y", "A cat", "", " ", ""],
        ]
        text = "\ufeff" + "\r\n".join(sign.join(row) for row in rows)
        assert load_prompts(write(("table.csv", text))) == [
            {
                "name": "x",
                "type": "text_to_video",
                "prompt": 'A cat, a "dog"\nand a bird',
                "duration": 5,
                "multi_shot": True,
                "model": "kling-3.0",
            },
            {"name": "y", "type": "text_to_video", "prompt": "A cat"},
        ]

    def test_text_is_a_prompt_per_line(self, write: Write) -> None:
        found = load_prompts(write(("ideas.txt", "# ideas\nA cat\n\n  A dog  \n")))
        assert [each["prompt"] for each in found] == ["A cat", "A dog"]

    def test_what_yaml_takes_for_something_else_stays_text(self, write: Write) -> None:
        folder = write(("a.yaml", "name: 007\nprompt: 2026-11-23\nadopt: 930831534075682845\naudio: off\n"))
        (request,) = load_prompts(folder)
        assert request["name"] == "007"
        assert request["prompt"] == "2026-11-23"
        assert request["adopt"] == "930831534075682845"
        assert request["audio"] == "off"

    def test_every_request_is_json_and_in_our_vocabulary(self, write: Write) -> None:
        legacy = {
            "prompt": "A",
            "model_name": "kling-v1-6",
            "mode": "pro",
            "cfg_scale": 0.5,
            "camera_control": {"type": "simple", "config": {"pan": 5}},
        }
        (request,) = load_prompts(write(("a.json", json.dumps(legacy))))
        assert json.loads(json.dumps(request, allow_nan=False)) == {
            "name": "a",
            "type": "text_to_video",
            "prompt": "A",
            "model": "kling-v1-6",
            "resolution": "1080p",
            "cfg_scale": 0.5,
            "camera_control": {"type": "simple", "config": {"pan": 5.0}},
        }


class TestFolders:
    def test_order_names_and_what_is_passed_over(self, write: Write) -> None:
        folder = write(
            ("b.md", "B"),
            ("a/z.md", "Z"),
            ("a.txt.bak", "?"),
            ("a/deep/er.MD", "E"),
            ("B2.yaml", "prompt: B2"),
            ("README.md", "About"),
            ("a/readme.txt", "About"),
            (".hidden.md", "no"),
            (".git/x.md", "no"),
            ("notes.docx", "?"),
        )
        assert names(load_prompts(folder)) == ["B2", "a/deep/er", "a/z", "b"]

    def test_a_single_file_is_loaded_without_its_neighbours(self, write: Write) -> None:
        folder = write(("sea/wave.md", "A wave"), ("sea/defaults.yaml", "duration: 3"), ("sea/x.md", "X"))
        assert load_prompts(folder / "sea" / "wave.md") == [
            {"name": "wave", "type": "text_to_video", "prompt": "A wave", "duration": 3}
        ]

    def test_links_inside_the_folder_and_a_link_that_leads_back(self, write: Write, tmp_path: Path) -> None:
        folder = write(("sub/a.md", "A"), (".data/b.md", "B"), ("more/c.md", "C"))
        (folder / "b.md").symlink_to(Path(".data", "b.md"))  # as a mounted volume has them
        (folder / "again").symlink_to(folder / "more")
        (folder / "sub" / "back").symlink_to(folder)
        linked = tmp_path / "linked"
        linked.symlink_to(folder)
        assert names(load_prompts(linked)) == ["again/c", "b", "more/c", "sub/a"]

    def test_inner_defaults_win_and_entries_have_the_last_word(self, write: Write) -> None:
        folder = write(
            ("defaults.yaml", "duration: 3\nmodel: kling-3.0\nresolution: 1080p\naudio: native"),
            ("a.md", "A"),
            ("sub/defaults.yml", "model_name: kling-2.6\nduration: 10\n"),
            ("sub/b.md", "---\nmode: std\nsound: off\n---\nB"),
            ("sub/c.yaml", "defaults: {duration: 5}\nprompts: [{name: c, prompt: C}]"),
        )
        by_name = {request["name"]: request for request in load_prompts(folder)}
        assert by_name["a"]["duration"] == 3
        assert by_name["a"]["model"] == "kling-3.0"
        assert by_name["sub/b"]["model"] == "kling-2.6"
        assert by_name["sub/b"]["resolution"] == "720p"
        assert by_name["sub/b"]["audio"] == "off"
        assert by_name["sub/b"]["duration"] == 10
        assert by_name["c"]["duration"] == 5

    def test_a_default_of_the_other_kind_is_left_out(self, write: Write) -> None:
        folder = write(
            ("defaults.yaml", 'aspect_ratio: "1:1"\nduration: 3'),
            ("a.md", "A"),
            ("b.md", "---\ntype: image_to_video\nfirst_frame: https://x.example/a.png\n---\nB"),
        )
        square, moving = load_prompts(folder)
        assert square["aspect_ratio"] == "1:1"
        assert "aspect_ratio" not in moving
        assert moving["duration"] == 3

    def test_an_object_storage_folder(self, write: Write) -> None:
        folder = write(("a/b.md", "B"), ("defaults.yaml", "duration: 3"))
        local = load_prompts(folder)
        assert load_prompts(f"file://{folder}") == local
        assert load_prompts(f"file://{folder}/") == local
        assert names(load_prompts(f"file://{folder}/a/b.md")) == ["b"]

    def test_a_relative_path_from_the_current_directory(
        self, write: Write, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = write(("a.md", "A"))
        monkeypatch.chdir(folder.parent)
        assert names(load_prompts("prompts")) == ["a"]

    def test_a_relative_path_from_the_dags_folder_and_its_parent(
        self, write: Write, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        folder = write(("a.md", "A"))
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        monkeypatch.chdir(elsewhere)
        monkeypatch.setenv("AIRFLOW__CORE__DAGS_FOLDER", str(folder.parent))
        assert names(load_prompts("prompts")) == ["a"]
        assert names(load_prompts(f"{folder.parent.name}/prompts")) == ["a"]

    @pytest.mark.airflow_version
    def test_in_a_task_the_dags_own_place_comes_first(
        self, write: Write, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        write(("old.md", "a stale copy"))
        monkeypatch.chdir(tmp_path)
        checkout = tmp_path / "bundle" / "project"
        (checkout / "dags").mkdir(parents=True)
        (checkout / "prompts").mkdir()
        (checkout / "prompts" / "new.md").write_text("this version")
        dag_file = checkout / "dags" / "films.py"
        dag_file.write_text(
            "from airflow.sdk import dag, task\n"
            "from kling_provider.prompts import load_prompts\n"
            "@dag(schedule=None)\n"
            "def films():\n"
            '    task(load_prompts)("prompts")\n'
            "the_dag = films()\n"
        )
        from airflow.sdk.execution_time.context import set_current_context

        space: dict[str, Any] = {"__file__": str(dag_file)}
        exec(compile(dag_file.read_text(), str(dag_file), "exec"), space)  # as Airflow's parser does
        the_dag = space["the_dag"]
        with set_current_context({"dag": the_dag}):
            operator = the_dag.get_task("load_prompts")
            assert names(operator.python_callable(*operator.op_args)) == ["new"]


class TestImages:
    def test_relative_ones_lie_beside_the_file_that_names_them(self, write: Write) -> None:
        folder = write(
            (
                "sub/a.md",
                "---\ntype: image_to_video\nfirst_frame: ../pictures/a.png\nlast_frame: b.png\n---\nA",
            )
        )
        first, last = draw_image(folder / "pictures" / "a.png"), draw_image(folder / "sub" / "b.png")
        (request,) = load_prompts(folder)
        assert (request["first_frame"], request["last_frame"]) == (str(first), str(last))

    def test_of_defaults_beside_the_defaults(self, write: Write) -> None:
        folder = write(("defaults.yaml", "type: image_to_video\nimage: a.png"), ("sub/a.md", "A"))
        frame = draw_image(folder / "a.png")
        assert load_prompts(folder)[0]["first_frame"] == str(frame)

    def test_urls_and_base64_stay(self, write: Write) -> None:
        base64 = "/9j/" + "A" * 400
        rows = [
            {"name": str(n), "type": "image_to_video", "first_frame": frame}
            for n, frame in enumerate(
                ["https://x.example/a.png?sig=1", base64, "data:image/png;base64,iVBORw0"]
            )
        ]
        found = load_prompts(write(("a.json", json.dumps(rows))))
        assert [each["first_frame"] for each in found] == [row["first_frame"] for row in rows]

    def test_masks_are_paths_as_well(self, write: Write) -> None:
        mask = {"mask": "b.png", "trajectories": [{"x": 1, "y": 1}, {"x": 2, "y": 2}]}
        entry = {
            "type": "image_to_video",
            "model": "kling-v1",
            "first_frame": "a.png",
            "static_mask": "b.png",
            "dynamic_masks": [mask, {**mask, "mask": "https://x.example/m.png"}],
        }
        folder = write(("a.json", json.dumps(entry)))
        first, other = draw_image(folder / "a.png"), draw_image(folder / "b.png")
        (request,) = load_prompts(folder)
        assert (request["first_frame"], request["static_mask"]) == (str(first), str(other))
        assert [each["mask"] for each in request["dynamic_masks"]] == [str(other), "https://x.example/m.png"]

    def test_in_object_storage(self, write: Write) -> None:
        folder = write(("a.md", "---\ntype: image_to_video\nfirst_frame: p/a.png\n---\nA"))
        frame = draw_image(folder / "p" / "a.png")
        (request,) = load_prompts(f"file://{folder}")
        assert request["first_frame"] == f"file://{frame}"
        (folder / "a.md").write_text(f"---\ntype: image_to_video\nfirst_frame: {frame}\n---\nA")
        with pytest.raises(KlingRequestError, match=r"a\.md:3: first_frame .*a path of the worker"):
            load_prompts(f"file://{folder}")


class TestVariants:
    def test_variants_are_takes_of_one_name(self, write: Write) -> None:
        folder = write(("a.md", "---\nvariants: 3\n---\nA"))
        three = load_prompts(folder)
        assert [(each["name"], each.get("take", 0)) for each in three] == [("a", 0), ("a", 1), ("a", 2)]
        four = load_prompts(write(("a.md", "---\nvariants: 4\n---\nA")))
        assert four[:3] == three

    def test_variants_begin_at_take(self, write: Write) -> None:
        found = load_prompts(write(("a.csv", "name,prompt,variants,take\na,A,2,5\n")))
        assert [each["take"] for each in found] == [5, 6]

    def test_a_matrix_is_every_combination(self, write: Write) -> None:
        head = '---\nmatrix:\n  aspect_ratio: ["16:9", "9:16"]\n  duration: [3, 5]\n---\nA'
        found = load_prompts(write(("a.md", head)))
        assert [(each["name"], each["aspect_ratio"], each["duration"]) for each in found] == [
            ("a/16x9-duration-3", "16:9", 3),
            ("a/16x9-duration-5", "16:9", 5),
            ("a/9x16-duration-3", "9:16", 3),
            ("a/9x16-duration-5", "9:16", 5),
        ]

    def test_a_value_that_is_added_to_a_matrix_changes_nothing_else(self, write: Write) -> None:
        before = load_prompts(write(("a.yaml", "prompt: A\nmatrix: {model: [kling-3.0, kling-2.6]}")))
        after = load_prompts(
            write(("a.yaml", "prompt: A\nmatrix: {model: [kling-2.5-turbo, kling-3.0, kling-2.6]}"))
        )
        assert after[1:] == before

    def test_long_and_structured_values_have_short_names(self, write: Write) -> None:
        moves = [{"type": "down_back"}, {"type": "forward_up"}]
        prompts = ["A cat walks through a very long street in the rain, at night", "猫" * 90]
        entry = {"model": "kling-v1-6", "matrix": {"camera_control": moves, "prompt": prompts}}
        found = names(load_prompts(write(("a.json", json.dumps(entry)))))
        assert len(set(found)) == 4
        assert all(len(name) < 150 for name in found)

    def test_a_matrix_of_defaults_is_for_all_and_an_entry_overrides_it(self, write: Write) -> None:
        folder = write(
            ("defaults.yaml", 'matrix: {aspect_ratio: ["16:9", "1:1"]}\nduration: 3\nmodel: kling-3.0'),
            ("a.md", "A"),
            ("b.md", '---\naspect_ratio: "9:16"\n---\nB'),
            ("c.md", "---\nmatrix: {model_name: [kling-v2-6]}\nduration: 5\n---\nC"),
            ("d.md", "---\ntype: image_to_video\nfirst_frame: https://x.example/a.png\n---\nD"),
            ("e.md", "---\nmatrix: {}\n---\nE"),
        )
        assert names(load_prompts(folder)) == ["a/16x9", "a/1x1", "b", "c/kling-v2-6", "d", "e"]


class TestNames:
    def test_entries_without_a_name_are_called_by_what_they_ask_for(self, write: Write) -> None:
        found = names(load_prompts(write(("films/ideas.txt", "A red panda brews tea\n一只小熊猫\n"))))
        assert [name.rpartition("-")[0] for name in found] == [
            "films/ideas/a-red-panda-brews-tea",
            "films/ideas/一只小熊猫",
        ]
        (sign,) = names(load_prompts(write(("films/ideas.txt", ""), ("a.json", '[{"prompt": "!"}]'))))
        assert re.fullmatch("a/[0-9a-f]{8}", sign)

    def test_what_is_inserted_before_renames_nothing(self, write: Write) -> None:
        before = names(load_prompts(write(("t.csv", "prompt,duration\nA,5\nB,5\n"))))
        after = names(load_prompts(write(("t.csv", "prompt,duration\nNew,5\nA,5\nB,5\n"))))
        assert after[1:] == before

    def test_the_form_of_a_file_does_not_enter_the_name(self, write: Write) -> None:
        same = [
            ("t.csv", "prompt,duration,model_name,mode,take\nA,10,kling-v3,std,3\n"),
            ("t.jsonl", '{"prompt": "A", "duration": 10, "callback_url": "https://x.example/"}'),
            ("t.yaml", "- {prompt: A, duration: 10, resolution: 720p, variants: 2, watermark: false}"),
            ("t.json", '{"defaults": {"duration": "10"}, "prompts": [{"prompt": "A"}]}'),
        ]
        found = set()
        for each in same:
            folder = write(each)
            found |= set(names(load_prompts(folder)))
            (folder / each[0]).unlink()
        assert len(found) == 1

    def test_another_video_has_another_name(self, write: Write) -> None:
        rows = [{"prompt": "A"}, {"prompt": "A", "duration": 10}, {"prompt": "A", "aspect_ratio": "1:1"}]
        assert len(set(names(load_prompts(write(("a.json", json.dumps(rows))))))) == 3

    def test_a_name_may_have_folders(self, write: Write) -> None:
        assert names(load_prompts(write(("a.md", "---\nname: 2026/autumn/a\n---\nA")))) == ["2026/autumn/a"]


class TestOnly:
    @pytest.fixture
    def folder(self, write: Write) -> Path:
        return write(("a.md", "A"), ("b/c.md", "---\nvariants: 2\n---\nC"), ("b/d,e.md", "D"))

    @pytest.mark.parametrize(
        ("only", "labels"),
        [
            (None, ["a", "b/c", "b/c.take1", "b/d,e"]),
            ("", ["a", "b/c", "b/c.take1", "b/d,e"]),
            ("  ", ["a", "b/c", "b/c.take1", "b/d,e"]),
            ("None", ["a", "b/c", "b/c.take1", "b/d,e"]),
            ([], ["a", "b/c", "b/c.take1", "b/d,e"]),
            ("[]", ["a", "b/c", "b/c.take1", "b/d,e"]),
            ([""], ["a", "b/c", "b/c.take1", "b/d,e"]),
            ("b/c", ["b/c", "b/c.take1"]),
            (["b/c.take1", "a"], ["a", "b/c.take1"]),
            ("a, b/c.take1,", ["a", "b/c.take1"]),
            ("['a', 'b/d,e']", ["a", "b/d,e"]),
            ('["a"]', ["a"]),
            ("b/d,e", ["b/d,e"]),
            ("b/*", ["b/c", "b/c.take1", "b/d,e"]),
        ],
    )
    def test_only_chooses_by_name(self, folder: Path, only: Any, labels: list[str]) -> None:
        found = load_prompts(folder, only=only)
        assert [
            each["name"] + (f".take{each['take']}" if each.get("take") else "") for each in found
        ] == labels

    @pytest.mark.parametrize("only", ["b/cc", ["a", "b/cc"], "*cc"])
    def test_an_unknown_name(self, folder: Path, only: Any) -> None:
        with pytest.raises(
            KlingRequestError, match=r"There is no prompt '(b/|\*)cc', which only names"
        ) as caught:
            load_prompts(folder, only=only)
        if "*" not in only:
            assert "Did you mean 'b/c'?" in str(caught.value)

    @pytest.mark.parametrize("only", [5, [5], "[5]", "[a", {"a": 1}])
    def test_what_is_no_list_of_names(self, folder: Path, only: Any) -> None:
        with pytest.raises(
            KlingRequestError, match=r"^Only must be a list of names|^There is no prompt '\[a'"
        ):
            load_prompts(folder, only=only)


class TestValues:
    def test_fill_all_texts_but_the_name(self, write: Write) -> None:
        folder = write(
            (
                "a.yaml",
                "name: x-{{ day }}\nprompt: '{{ day | upper }} in {{ place.city }}'\nduration: '{{ 2 + 3 }}'",
            )
        )
        (request,) = load_prompts(folder, values={"day": "monday", "place": {"city": "Oslo"}})
        assert request["name"] == "x-{{ day }}"
        assert request["prompt"] == "MONDAY in Oslo"
        assert request["duration"] == 5

    def test_without_values_braces_stay(self, write: Write) -> None:
        folder = write(("a.md", "A {{ cat }} {% if %} {# x #}"))
        assert load_prompts(folder)[0]["prompt"] == "A {{ cat }} {% if %} {# x #}"

    def test_what_comes_out_is_not_filled_again(self, write: Write) -> None:
        folder = write(("a.md", "A {{ cat }}"))
        assert load_prompts(folder, values={"cat": "{{ dog }}"})[0]["prompt"] == "A {{ dog }}"

    def test_names_do_not_follow_the_values(self, write: Write) -> None:
        folder = write(("a.txt", "A cat on {{ day }}"))
        assert names(load_prompts(folder, values={"day": "Monday"})) == names(load_prompts(folder))

    def test_an_image_by_a_value(self, write: Write) -> None:
        folder = write(("a.md", "---\ntype: image_to_video\nfirst_frame: '{{ sku }}.png'\n---\n"))
        frame = draw_image(folder / "77.png")
        assert load_prompts(folder, values={"sku": 77})[0]["first_frame"] == str(frame)

    def test_defined_and_default_work(self, write: Write) -> None:
        folder = write(("a.md", "A{% if dog is defined %} dog{% endif %} {{ cat | default('cat') }}"))
        assert load_prompts(folder, values={})[0]["prompt"] == "A cat"


@pytest.mark.slow
def test_a_module_that_costs_a_dag_file_nothing() -> None:
    code = (
        "import airflow.sdk, sys; from airflow.sdk import task; before = set(sys.modules);"
        "import kling_provider.prompts; print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) <= {"kling_provider", "kling_provider.prompts"}

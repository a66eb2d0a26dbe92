# SPDX-License-Identifier: Apache-2.0
"""What a prompt file may name, as the Dag's author widens or narrows it; and how much is read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from kling_provider.exceptions import KlingRequestError
from kling_provider.prompts import find, load_prompts


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "prompts" / "sub").mkdir(parents=True)
    for place in ("images", "prompts", "prompts/images"):
        (tmp_path / place).mkdir(exist_ok=True)
        Image.new("RGB", (640, 640)).save(tmp_path / place / "a.png")
    return tmp_path / "prompts"


def frame(folder: Path, where: str, **options: Any) -> str:
    (folder / "sub" / "a.md").write_text(f"---\ntype: image_to_video\nfirst_frame: {where}\n---\nA")
    (request,) = load_prompts(folder, **options)
    return str(request["first_frame"])


def test_below_the_folder_every_way_there_is_one(folder: Path) -> None:
    there = str(folder / "images" / "a.png")
    for where in ("../images/a.png", there, f"file://{there}", "../../prompts/images/a.png"):
        assert frame(folder, where) == there
    (folder / "linked").symlink_to("images")
    assert frame(folder, "../linked/a.png") == str(folder / "linked" / "a.png")


def test_a_setting_widens_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outside = str(folder.parent / "images" / "a.png")
    with pytest.raises(KlingRequestError, match="add its folder to inputs_below of load_prompts"):
        frame(folder, "../../images/a.png")
    for below in ([folder.parent / "images"], str(folder.parent), [folder, f"file://{folder.parent}/images"]):
        assert frame(folder, "../../images/a.png", inputs_below=below) == outside
    monkeypatch.chdir(folder.parent)
    assert frame(folder, "../../images/a.png", inputs_below="images") == outside


def test_a_setting_narrows_it(folder: Path) -> None:
    with pytest.raises(KlingRequestError, match="prompt files may name"):
        frame(folder, "../a.png", inputs_below=[folder / "images"])
    with pytest.raises(KlingRequestError, match=r"what prompt files may name \(no files\)"):
        frame(folder, "../images/a.png", inputs_below=[])
    assert frame(folder, "https://images.example/a.png", inputs_below=[]) == "https://images.example/a.png"


@pytest.mark.parametrize("below", [5, [5], {"a": 1}, ["nowhere"], [""], b"x"])
def test_a_setting_that_is_none_is_refused(below: Any, folder: Path) -> None:
    with pytest.raises(KlingRequestError, match="Nothing was sent"):
        frame(folder, "../images/a.png", inputs_below=below)


def test_a_damaged_image_is_not_printed_whole(folder: Path) -> None:
    with pytest.raises(KlingRequestError) as refused:
        frame(folder, "A_b-" * 5000)
    assert len(str(refused.value)) < 1500


def test_too_many_files_and_folders_too_deep(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(find, "MAX_FILES", 3)
    for number in range(4):
        (folder / f"{number}.txt").write_text("A")
    with pytest.raises(KlingRequestError, match="more than 3 prompt files"):
        load_prompts(folder)
    deep = folder.joinpath(*["d"] * 40)
    deep.mkdir(parents=True)
    monkeypatch.setattr(find, "MAX_FILES", 100)
    with pytest.raises(KlingRequestError, match="must be at most 32 folders deep"):
        load_prompts(folder)


@pytest.mark.parametrize("name", ["notes.docx", "photo.png", ".hidden.md", "README.md"])
def test_links_and_pipes_that_are_no_prompt_files_are_passed_over(name: str, folder: Path) -> None:
    (folder / "a.md").write_text("A")
    (folder / name).symlink_to("/etc/hostname")
    os.mkfifo(folder / f"{name}.pipe")
    assert len(load_prompts(folder)) == 1


def test_a_link_that_the_dag_itself_names_is_followed(folder: Path) -> None:
    (folder.parent / "there.md").write_text("A")
    (folder / "here.md").symlink_to("../there.md")
    assert [request["prompt"] for request in load_prompts(folder / "here.md")] == ["A"]


@pytest.mark.parametrize("limit", [0, -1, None, "10", True, 1.5])
def test_a_limit_that_is_none_is_refused(limit: Any, folder: Path) -> None:
    (folder / "a.md").write_text("A")
    with pytest.raises(KlingRequestError, match="Limit must be a whole number from 1"):
        load_prompts(folder, limit=limit)


def test_a_limit_is_for_what_comes_out(folder: Path) -> None:
    (folder / "a.txt").write_text("\n".join(f"A cat {number}" for number in range(20)))
    with pytest.raises(KlingRequestError, match=r"makes 20 results, and the limit is 5.*give limit=20"):
        load_prompts(folder, limit=5)
    assert len(load_prompts(folder, limit=20)) == 20
    assert len(load_prompts(folder, limit=5, only="*cat-7-*")) == 1

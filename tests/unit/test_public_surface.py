# SPDX-License-Identifier: Apache-2.0
"""What is public: ``docs/api.md`` names the modules, and their ``__all__`` the names. Everything else says that it is not."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from tests.support.pages import PAGES, REPOSITORY, read_blocks

PACKAGE = REPOSITORY / "kling_provider"
#: Where a name of the package may be used.
FOLDERS = ("kling_provider", "airflow_provider_kling", "dags", "tests", "demo", "benchmarks")
API_PAGE = (REPOSITORY / "docs" / "api.md").read_text(encoding="utf-8")

_ROW = re.compile(r"^\| `(?P<module>kling_provider[\w.]*)` \| (?P<what>.*) \|$", re.MULTILINE)
_CODE = re.compile(r"`([\w.]+)`")
#: Decorators that leave a function a helper; any other registers it somewhere, so that its name may be read there.
_PLAIN_DECORATORS = {"asynccontextmanager", "cache", "contextmanager", "lru_cache"}


@dataclass(frozen=True)
class Module:
    """A Python file, read and never imported."""

    path: Path

    @cached_property
    def name(self) -> str:
        parts = self.path.relative_to(REPOSITORY).with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.path.read_text(encoding="utf-8"))

    @cached_property
    def exported(self) -> list[str] | None:
        """The names in ``__all__``; ``None`` where the module has none."""
        for node in self.tree.body:
            if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == [
                "__all__"
            ]:
                names: list[str] = ast.literal_eval(node.value)
                return names
        return None

    @cached_property
    def definitions(self) -> list[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
        kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
        return [node for node in self.tree.body if isinstance(node, kinds)]

    @cached_property
    def constants(self) -> list[str]:
        targets = [node.targets for node in self.tree.body if isinstance(node, ast.Assign)]
        targets += [[node.target] for node in self.tree.body if isinstance(node, ast.AnnAssign)]
        names = [target.id for group in targets for target in group if isinstance(target, ast.Name)]
        return [name for name in names if name.isupper()]

    @cached_property
    def used_elsewhere(self) -> set[str]:
        """The names that this file may take from another: imported, behind a dot, or in a text such as ``"module.NAME"``."""
        found: set[str] = set()
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Attribute):
                found.add(node.attr)
            elif isinstance(node, ast.ImportFrom):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found |= set(re.findall(r"(?:^|[.:])(\w+)(?![\w.])", node.value))
        return found


def read_modules(*folders: str) -> Iterator[Module]:
    for folder in folders:
        for path in sorted((REPOSITORY / folder).rglob("*.py")):
            yield Module(path)


MODULES = {module.name: module for module in read_modules("kling_provider")}
LISTED = {match["module"]: match["what"] for match in _ROW.finditer(API_PAGE)}
INTERNAL = [
    name
    for name in _CODE.findall(API_PAGE.partition("## Not public")[2])
    if name.startswith("kling_provider.")
]


def is_internal(name: str) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in INTERNAL)


@pytest.mark.slow
def test_the_page_lists_the_modules_with_all_and_no_other() -> None:
    exporting = {name for name, module in MODULES.items() if module.exported is not None}
    assert set(LISTED) == {name for name in exporting if not is_internal(name)}


def test_the_page_names_packages_that_exist_as_internal() -> None:
    assert INTERNAL
    assert [
        name for name in INTERNAL if not (REPOSITORY / name.replace(".", "/") / "__init__.py").exists()
    ] == []


@pytest.mark.parametrize("name", LISTED)
def test_every_exported_name_exists(name: str) -> None:
    exported = MODULES[name].exported
    assert exported
    assert len(exported) == len(set(exported))
    found = import_module(name)
    assert [one for one in exported if not hasattr(found, one)] == []


@pytest.mark.parametrize("name", LISTED)
def test_every_public_definition_is_exported(name: str) -> None:
    public = {node.name for node in MODULES[name].definitions if not node.name.startswith("_")}
    assert public - set(MODULES[name].exported or ()) == set()


@pytest.mark.parametrize("name", LISTED)
def test_the_page_names_what_is_exported(name: str) -> None:
    if name == "kling_provider.exceptions":
        assert LISTED[name].startswith("all classes")
        assert set(MODULES[name].exported or ()) == {node.name for node in MODULES[name].definitions}
    else:
        assert set(MODULES[name].exported or ()) - set(_CODE.findall(LISTED[name])) == set()


def documented_members(name: str) -> Iterator[tuple[str, Callable[..., Any], str]]:
    """The functions and methods of ours that a public module offers, each with the docstring for its parameters."""
    found = import_module(name)
    for exported in MODULES[name].exported or ():
        item = getattr(found, exported)
        if inspect.isfunction(item):
            yield exported, item, item.__doc__ or ""
        elif inspect.isclass(item):
            for member, value in vars(item).items():
                function = unwrap(value)
                # Airflow's own methods, overridden here, are Airflow's to document.
                given = any(member in vars(base) for base in item.__mro__[1:])
                if function is None or ((member.startswith("_") or given) and member != "__init__"):
                    continue
                doc = item.__doc__ if member == "__init__" else function.__doc__
                yield f"{exported}.{member}", function, doc or ""


def unwrap(value: Any) -> Callable[..., Any] | None:
    """The function of ours behind a method or property."""
    for attribute in ("__func__", "fget", "func"):
        value = getattr(value, attribute, value)
    ours = inspect.isfunction(value) and value.__module__.startswith("kling_provider.")
    return value if ours else None


@pytest.mark.parametrize("name", [name for name in LISTED if name != "kling_provider"])
def test_every_public_parameter_is_documented(name: str) -> None:
    members = list(documented_members(name))
    assert members
    for member, function, doc in members:
        assert doc.strip(), f"{member} has no docstring"
        parameters = inspect.signature(function).parameters.values()
        # The context is Airflow's; *args and **kwargs belong to another signature, which the text names.
        own = {one.name for one in parameters if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)}
        described = set(re.findall(r"^\s*:param (\w+):", doc, re.MULTILINE))
        assert own - {"self", "cls", "context"} - described == set(), member


def imports_of_users() -> Iterator[tuple[str, str, str]]:
    """Where users read an import of ours: place, module, name."""
    texts = [(str(block), block.text) for block in read_blocks("python", pages=PAGES)]
    texts += [(module.name, module.path.read_text(encoding="utf-8")) for module in read_modules("dags")]
    for place, text in texts:
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("kling_provider"):
                for alias in node.names:
                    yield place, node.module or "", alias.name


def test_users_are_shown_public_names_alone() -> None:
    found = list(imports_of_users())
    assert found
    assert [
        (place, module, name)
        for place, module, name in found
        if module not in LISTED or name not in (MODULES[module].exported or ())
    ] == []


def is_helper(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> bool:
    """Whether it is a function that only the code around it calls. A class is what others receive, even if unnamed there."""
    names = {re.split(r"[.(]", ast.unparse(decorator))[0] for decorator in node.decorator_list}
    return not isinstance(node, ast.ClassDef) and names <= _PLAIN_DECORATORS


@pytest.mark.slow
def test_what_no_other_module_uses_has_a_leading_underscore() -> None:
    uses = {module.name: module.used_elsewhere for module in read_modules(*FOLDERS)}
    found = []
    for name, module in MODULES.items():
        others = set().union(*(used for other, used in uses.items() if other != name))
        helpers = [node.name for node in module.definitions if is_helper(node)] + module.constants
        public = {helper for helper in helpers if not helper.startswith("_")} - set(module.exported or ())
        found += [f"{name}.{helper}" for helper in sorted(public - others)]
    assert found == []

# SPDX-License-Identifier: Apache-2.0
"""How the package is built, in numbers that can be compared between two states of it.

``python benchmarks/count_structure.py [CHECKOUT] [--at COMMIT] [--json]`` counts a checkout (this one by default), or a
commit of it, and prints a table. Standard library only, but for the video of the fifth row: that is made with the
interpreter that runs this, so Airflow must be installed there; without it, or with ``--static``, the row says so.

What is counted, in ``kling_provider/`` without dunder methods (functions within functions and methods count as functions):

1. Imports inside functions: ``import`` and ``from … import`` statements, those under ``if TYPE_CHECKING`` not.
2. Functions with a name of one word, leading underscores aside.
3. Function docstrings that do not begin with a verb: whose first word is neither in ``VERBS`` nor the third person of
   one (``Reads``). Docstrings that begin with code or a field (``:raises``) begin with no verb. Rough by nature.
4. Class names that stand in two places.
5. Files entered by one happy video: a prompt file through ``load_prompts``, ``KlingGenerateOperator.execute``, the
   trigger and the resume, against a sandbox in the same process. A file is entered when a function of it runs (being
   imported is not enough). The sandbox's own files are left out.
6. The way through ``prompts/``: from ``load_prompts`` along the calls in the source, in the order in which they are
   evaluated, each function once. A *stay* is what is read in one module before the next function lies in another one; a
   *return* is a stay in a module where the reader was before; *hub* is the module that most returns lead to. Methods of
   objects are found by their name where only one class of ``prompts/`` has it. All branches count. Row 5 gives the same
   for what really runs: one Markdown file that is right.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]
PACKAGE = "kling_provider"
FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef

#: Imperatives with which a docstring may begin.
VERBS = frozenset(
    [
        "accept",
        "acquire",
        "add",
        "adopt",
        "advance",
        "allow",
        "announce",
        "answer",
        "append",
        "apply",
        "ask",
        "assert",
        "attach",
        "await",
        "begin",
        "bind",
        "break",
        "build",
        "call",
        "cancel",
        "capture",
        "cast",
        "catch",
        "change",
        "check",
        "choose",
        "claim",
        "clean",
        "clear",
        "close",
        "collect",
        "combine",
        "come",
        "compare",
        "compute",
        "connect",
        "consume",
        "convert",
        "copy",
        "count",
        "create",
        "cut",
        "decide",
        "declare",
        "decode",
        "decrypt",
        "defer",
        "define",
        "delete",
        "deliver",
        "describe",
        "detect",
        "discard",
        "dispatch",
        "do",
        "download",
        "draw",
        "drop",
        "dump",
        "empty",
        "encode",
        "end",
        "enqueue",
        "ensure",
        "enter",
        "escape",
        "estimate",
        "evaluate",
        "execute",
        "expand",
        "expect",
        "expire",
        "explain",
        "expose",
        "extract",
        "fail",
        "fetch",
        "fill",
        "filter",
        "find",
        "finish",
        "fit",
        "fold",
        "follow",
        "forbid",
        "forget",
        "format",
        "forward",
        "free",
        "generate",
        "get",
        "give",
        "go",
        "group",
        "guard",
        "guess",
        "handle",
        "hash",
        "hide",
        "hold",
        "ignore",
        "import",
        "include",
        "increase",
        "infer",
        "inherit",
        "insert",
        "inspect",
        "join",
        "judge",
        "keep",
        "know",
        "learn",
        "leave",
        "let",
        "limit",
        "link",
        "list",
        "listen",
        "load",
        "locate",
        "lock",
        "log",
        "look",
        "lower",
        "make",
        "map",
        "mark",
        "mask",
        "match",
        "measure",
        "merge",
        "mock",
        "modify",
        "move",
        "name",
        "narrow",
        "normalise",
        "normalize",
        "note",
        "notify",
        "offer",
        "open",
        "order",
        "pack",
        "pair",
        "parse",
        "part",
        "pass",
        "pause",
        "pay",
        "pick",
        "play",
        "poll",
        "post",
        "predict",
        "prepare",
        "present",
        "preserve",
        "press",
        "print",
        "process",
        "produce",
        "promise",
        "propose",
        "prove",
        "publish",
        "pull",
        "purge",
        "push",
        "put",
        "queue",
        "quote",
        "raise",
        "read",
        "rebuild",
        "receive",
        "recognise",
        "recognize",
        "record",
        "recover",
        "redact",
        "reduce",
        "refresh",
        "refuse",
        "register",
        "reject",
        "release",
        "remember",
        "remove",
        "rename",
        "render",
        "repeat",
        "replace",
        "reply",
        "report",
        "request",
        "require",
        "reset",
        "resolve",
        "respond",
        "restore",
        "resume",
        "retry",
        "return",
        "return",
        "rewrite",
        "round",
        "run",
        "save",
        "say",
        "scale",
        "scan",
        "schedule",
        "score",
        "search",
        "seek",
        "select",
        "send",
        "separate",
        "serialise",
        "serialize",
        "serve",
        "set",
        "shorten",
        "show",
        "shut",
        "sign",
        "simplify",
        "skip",
        "sleep",
        "solve",
        "sort",
        "speak",
        "spend",
        "split",
        "start",
        "state",
        "stay",
        "stop",
        "store",
        "stream",
        "strip",
        "submit",
        "suggest",
        "sum",
        "supply",
        "swap",
        "take",
        "tell",
        "test",
        "throw",
        "tolerate",
        "total",
        "track",
        "translate",
        "transform",
        "trim",
        "truncate",
        "try",
        "turn",
        "unlock",
        "unpack",
        "update",
        "upload",
        "use",
        "validate",
        "verify",
        "visit",
        "wait",
        "wake",
        "walk",
        "warn",
        "watch",
        "withdraw",
        "wrap",
        "write",
        "yield",
    ]
)
#: Verbs in this list that are nouns as often ("State of a task", "Answer of a host"), where an ``of`` follows.
_NOUN = re.compile(r"\w+ (?:of|in|at|from|for|with|by|that|which|and|or)\b")


@dataclass(frozen=True)
class Module:
    """One file of the package."""

    name: str
    path: Path
    tree: ast.Module


@dataclass
class Share:
    """How many of all; ``names`` are the first few, for people."""

    count: int = 0
    total: int = 0
    names: list[str] = field(default_factory=list)

    def add(self, hit: bool, name: str) -> None:
        self.total += 1
        self.count += hit
        if hit:
            self.names.append(name)

    def __str__(self) -> str:
        return f"{self.count} of {self.total} ({100 * self.count / max(1, self.total):.0f} %)"


def read_modules(checkout: Path, *, sandbox: bool = True) -> list[Module]:
    """Read every file of the package below ``checkout``."""
    found = []
    for path in sorted((checkout / PACKAGE).rglob("*.py")):
        name = ".".join(path.relative_to(checkout).with_suffix("").parts).removesuffix(".__init__")
        if sandbox or not name.startswith(f"{PACKAGE}.sandbox"):
            found.append(Module(name, path, ast.parse(path.read_text(encoding="utf-8"))))
    return found


def walk_functions(module: Module) -> Iterator[FunctionNode]:
    """Walk through all functions and methods but dunder ones."""
    for node in ast.walk(module.tree):
        if isinstance(node, FunctionNode) and not (node.name.startswith("__") and node.name.endswith("__")):
            yield node


def count_lazy_imports(modules: list[Module]) -> int:
    """Count import statements inside functions, each once however deep it stands."""
    lines = set()
    for module in modules:
        for function in (node for node in ast.walk(module.tree) if isinstance(node, FunctionNode)):
            lines |= {
                (module.name, node.lineno)
                for node in ast.walk(function)
                if isinstance(node, ast.Import | ast.ImportFrom)
            }
    return len(lines)


def count_one_word_names(modules: list[Module]) -> Share:
    """Count functions whose name is one word."""
    share = Share()
    for module in modules:
        for function in walk_functions(module):
            share.add("_" not in function.name.strip("_"), f"{module.name}.{function.name}")
    return share


def count_docstrings_without_verb(modules: list[Module]) -> Share:
    """Count function docstrings whose first word is no verb."""
    share = Share()
    for module in modules:
        for function in walk_functions(module):
            if (text := ast.get_docstring(function)) is not None:
                share.add(not begins_with_verb(text), f"{module.name}.{function.name}")
    return share


def begins_with_verb(text: str) -> bool:
    """Say whether the first word is a verb of the list, or its third person."""
    first = re.match(r"[A-Za-z]+", text)
    if first is None:
        return False
    word = first[0].lower()
    if word in VERBS:
        return not _NOUN.match(text)
    stems = {word.removesuffix("s"), word.removesuffix("es"), re.sub("ies$", "y", word)}
    return word.endswith("s") and bool(stems & VERBS) and not _NOUN.match(text)


def find_twice_named_classes(modules: list[Module]) -> dict[str, int]:
    """Find class names that stand in two places, with their number."""
    names = Counter(
        node.name for module in modules for node in ast.walk(module.tree) if isinstance(node, ast.ClassDef)
    )
    return {name: count for name, count in sorted(names.items()) if count > 1}


# The way through prompts/


def summarise_way(entered: list[str]) -> dict[str, Any]:
    """Sum up a way, given as the module of each function in the order in which they were entered."""
    stays = [name for at, name in enumerate(entered) if at == 0 or entered[at - 1] != name]
    returns = Counter(name for at, name in enumerate(stays) if name in stays[:at])
    hub = max(returns, key=lambda name: returns[name], default=None)
    return {
        "stays": len(stays),
        "modules": len(set(stays)),
        "returns": sum(returns.values()),
        "hub": None if hub is None else f"{hub} ({returns[hub]})",
        "way": stays,
    }


class PromptsTrace:
    """Follows the calls from one function on, in the order in which they are evaluated."""

    def __init__(self, modules: list[Module], package: str) -> None:
        self._modules = {module.name: module for module in modules if module.name.startswith(package)}
        self._functions: dict[tuple[str, str], FunctionNode] = {}
        self._classes: dict[tuple[str, str], ast.ClassDef] = {}
        self._methods: dict[str, list[tuple[str, str]]] = {}
        for name, module in self._modules.items():
            for node in module.tree.body:
                if isinstance(node, FunctionNode):
                    self._functions[name, node.name] = node
                elif isinstance(node, ast.ClassDef):
                    self._classes[name, node.name] = node
                    for method in (one for one in node.body if isinstance(one, FunctionNode)):
                        self._functions[name, f"{node.name}.{method.name}"] = method
                        self._methods.setdefault(method.name, []).append((name, f"{node.name}.{method.name}"))
        # A name that is an attribute somewhere as well tells nothing.
        self._attributes = {
            item.target.id
            for node in self._classes.values()
            for item in node.body
            if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name)
        }
        self._names = {name: self._read_names(module) for name, module in self._modules.items()}
        self._seen: set[tuple[str, str]] = set()
        self.entered: list[str] = []
        self.calls_between = 0

    def follow(self, module: str, function: str) -> None:
        """Read ``function``, and what it calls as it calls it."""
        if (module, function) in self._seen or (module, function) not in self._functions:
            return
        self._seen.add((module, function))
        self.entered.append(module)
        for statement in self._functions[module, function].body:
            self._visit(statement, module, function.rpartition(".")[0])

    def summarise(self, package: str) -> dict[str, Any]:
        """Sum up the way in numbers."""
        way = [name.removeprefix(f"{package}.") for name in self.entered]
        return {"calls_between_modules": self.calls_between, **summarise_way(way)}

    def _read_names(self, module: Module) -> dict[str, tuple[str, str]]:
        """Read which names of a module are functions, classes or modules of the package, imported anywhere in it."""
        names = {
            own: (module.name, own) for name, own in (*self._functions, *self._classes) if name == module.name
        }
        for node in ast.walk(module.tree):
            if isinstance(node, ast.ImportFrom) and node.module:
                for alias in node.names:
                    if f"{node.module}.{alias.name}" in self._modules:
                        names[alias.asname or alias.name] = (f"{node.module}.{alias.name}", "")
                    elif node.module in self._modules:
                        names[alias.asname or alias.name] = (node.module, alias.name)
        return names

    def _visit(self, node: ast.AST, module: str, owner: str) -> None:
        """Visit in the order of evaluation: what a comprehension goes through comes before what it makes."""
        if isinstance(node, FunctionNode | ast.Lambda | ast.Import | ast.ImportFrom):
            return
        children = list(ast.iter_child_nodes(node))
        if isinstance(node, ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp):
            children.sort(key=lambda child: not isinstance(child, ast.comprehension))
        for child in children:
            self._visit(child, module, owner)
        if isinstance(node, ast.Call):
            self._follow_call(node.func, module, owner)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
            self._follow_property(node, module)

    def _follow_call(self, function: ast.expr, module: str, owner: str) -> None:
        target: tuple[str, str] | None = None
        if isinstance(function, ast.Name):
            target = self._names[module].get(function.id)
        elif isinstance(function, ast.Attribute):
            base = function.value
            if isinstance(base, ast.Name) and base.id == "self" and owner:
                target = (module, f"{owner}.{function.attr}")
            elif isinstance(base, ast.Name) and (known := self._names[module].get(base.id)) is not None:
                target = (known[0], f"{known[1]}.{function.attr}".strip("."))
            elif len(methods := self._methods.get(function.attr, [])) == 1:
                target = methods[0]
        if target is None:
            return
        if target in self._classes:
            target = (target[0], f"{target[1]}.__init__")
        if target in self._functions:
            self.calls_between += target[0] != module
            self.follow(*target)

    def _follow_property(self, node: ast.Attribute, module: str) -> None:
        methods = self._methods.get(node.attr, [])
        if len(methods) != 1 or node.attr in self._attributes:
            return
        decorators = {ast.unparse(one) for one in self._functions[methods[0]].decorator_list}
        if decorators & {"property", "cached_property"}:
            self.calls_between += methods[0][0] != module
            self.follow(*methods[0])


def trace_prompts(modules: list[Module]) -> dict[str, Any]:
    """Trace one load through ``prompts/``."""
    package = f"{PACKAGE}.prompts"
    trace = PromptsTrace(modules, package)
    trace.follow(package, "load_prompts")
    return trace.summarise(package)


# One happy video


def count_entered_files(checkout: Path) -> dict[str, Any]:
    """Make one video in a process of its own, with the package of ``checkout``, and count the files entered."""
    with tempfile.TemporaryDirectory(prefix="kling-structure-") as home:
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW_", "KLING_"))
        }
        environment = kept | {
            "PYTHONPATH": str(checkout),
            "AIRFLOW_HOME": home,
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "NO_PROXY": "127.0.0.1,localhost",
        }
        command = [sys.executable, __file__, str(checkout), "--make-video"]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=home, check=False)
    marked = [line for line in done.stdout.splitlines() if line.startswith("ENTERED ")]
    if not marked:
        said = (done.stderr.strip().splitlines() or ["nothing was said"])[-1]
        return {"files": None, "why_not": said}
    return dict(json.loads(marked[-1].removeprefix("ENTERED ")))


def make_video(checkout: Path) -> None:
    """Make one video with everything imported before, and print which files were entered."""
    import asyncio
    import importlib
    import inspect
    import logging
    import pkgutil
    import threading
    from collections import defaultdict
    from types import CodeType, FrameType, SimpleNamespace

    logging.disable(logging.CRITICAL)
    package = importlib.import_module(PACKAGE)
    root = str(checkout / PACKAGE)
    if not str(package.__file__).startswith(root):
        raise SystemExit(f"{PACKAGE} was imported from {package.__file__}, not from {root}")
    for one in pkgutil.walk_packages(package.__path__, f"{PACKAGE}."):
        if "__main__" not in one.name:
            importlib.import_module(one.name)
    from kling_provider.operators.kling import KlingGenerateOperator
    from kling_provider.prompts import load_prompts
    from kling_provider.sandbox import Sandbox

    entered: dict[str, str] = {}
    way: list[str] = []
    seen: set[CodeType] = set()
    legs = {"now": "load"}
    known: dict[CodeType, bool] = {}

    def profile(frame: FrameType, event: str, _: Any) -> None:
        if event != "call":
            return
        code = frame.f_code
        if code not in known:
            file = code.co_filename
            # A module's or a class's own body is what an import runs.
            is_function = bool(code.co_flags & inspect.CO_OPTIMIZED)
            known[code] = is_function and file.startswith(root) and not file.startswith(f"{root}/sandbox/")
        if known[code]:
            entered.setdefault(os.path.relpath(code.co_filename, checkout), legs["now"])
            if code not in seen and code.co_filename.startswith(f"{root}/prompts/"):
                seen.add(code)
                if not code.co_name.startswith("<"):
                    way.append(os.path.relpath(code.co_filename, f"{root}/prompts"))

    work = Path.cwd()
    (work / "prompts").mkdir()
    (work / "prompts" / "panda.md").write_text("---\nduration: 5\n---\nA red panda brews tea.\n")
    stores: dict[str, Any] = defaultdict(dict)
    xcoms: dict[str, Any] = {}
    ti = SimpleNamespace(
        dag_id="films",
        task_id="video",
        run_id="manual__1",
        map_index=-1,
        try_number=1,
        max_tries=3,
        xcom_push=lambda key, value: xcoms.__setitem__(key, value),
    )

    class Store(dict[str, Any]):
        def set(self, key: str, value: Any, **_: Any) -> None:
            self[key] = value

    class Assets:
        def __getitem__(self, asset: Any) -> Store:
            return stores.setdefault(asset.name, Store())

    context: Any = {
        "ti": ti,
        "dag_run": SimpleNamespace(run_id=ti.run_id, clear_number=0),
        "dag": None,
        "task_state_store": Store(),
        "asset_state_store": Assets(),
        "outlet_events": defaultdict(lambda: SimpleNamespace(extra={})),
    }

    async def wait_for_event(trigger: Any) -> Any:
        async for event in trigger.run():
            return event.payload
        raise SystemExit("the trigger ended without an event")

    with Sandbox() as sandbox:
        os.environ["AIRFLOW_CONN_KLING_DEFAULT"] = json.dumps(
            {
                "conn_type": "kling",
                "host": sandbox.base_url,
                "password": sandbox.api_key,
                "extra": {"profile": "kling"},
            }
        )
        threading.setprofile(profile)
        sys.setprofile(profile)
        (request,) = load_prompts(work / "prompts")
        legs["now"] = "pay"
        operator = KlingGenerateOperator(
            task_id="video", request=dict(request), destination=str(work / "videos"), pay_once_per="dag"
        )
        step, arguments = operator.execute, {}
        while True:
            try:
                step(context, **arguments)
                break
            except BaseException as deferred:
                if type(deferred).__name__ != "TaskDeferred":
                    raise
                method: Any = deferred
            legs["now"] = "wait"
            event = asyncio.run(wait_for_event(method.trigger))
            legs["now"] = "save"
            step = getattr(operator, method.method_name)
            arguments = {"event": event, **json.loads(json.dumps(method.kwargs or {}))}
        sys.setprofile(None)
        threading.setprofile(None)
    videos = sorted(path.name for path in (work / "videos").rglob("*.mp4"))
    if not videos:
        raise SystemExit("no video was saved")
    result = {
        "files": len(entered),
        "first_entered_in": Counter(entered.values()),
        "names": sorted(entered),
        "prompts": summarise_way([name.removesuffix(".py").replace("/", ".") for name in way]),
    }
    print("ENTERED " + json.dumps(result))


# The table


def count_everything(checkout: Path, *, static: bool) -> dict[str, Any]:
    """Count a checkout."""
    modules = read_modules(checkout)
    without_sandbox = read_modules(checkout, sandbox=False)
    names, texts = count_one_word_names(modules), count_docstrings_without_verb(modules)
    not_sandbox = count_one_word_names(without_sandbox), count_docstrings_without_verb(without_sandbox)
    twice = find_twice_named_classes(modules)
    return {
        "modules": len(modules),
        "imports_inside_functions": count_lazy_imports(modules),
        "functions_with_one_word": {"count": names.count, "of": names.total, "text": str(names)},
        "functions_with_one_word_without_sandbox": {"text": str(not_sandbox[0])},
        "docstrings_without_verb": {
            "count": texts.count,
            "of": texts.total,
            "text": str(texts),
            "names": texts.names,
        },
        "docstrings_without_verb_without_sandbox": {"text": str(not_sandbox[1])},
        "class_names_twice": twice,
        "entered_by_one_video": {"files": None, "why_not": "not run"}
        if static
        else count_entered_files(checkout),
        "prompts": trace_prompts(modules),
    }


def tell_way(way: dict[str, Any]) -> str:
    """Tell a way in one line."""
    return f"{way['stays']}, {way['modules']}, {way['returns']}; hub {way['hub']}"


def print_table(found: dict[str, Any], title: str) -> None:
    """Print the counts for people."""
    video, way = found["entered_by_one_video"], found["prompts"]
    files = video["why_not"] if video["files"] is None else video["files"]
    legs = ", ".join(f"{leg} {count}" for leg, count in video.get("first_entered_in", {}).items())
    rows = {
        "modules": found["modules"],
        "imports inside functions": found["imports_inside_functions"],
        "functions with a name of one word": found["functions_with_one_word"]["text"],
        "  without the sandbox": found["functions_with_one_word_without_sandbox"]["text"],
        "docstrings that begin with no verb": found["docstrings_without_verb"]["text"],
        "  those without the sandbox": found["docstrings_without_verb_without_sandbox"]["text"],
        "class names that stand twice": f"{len(found['class_names_twice'])}: {' '.join(found['class_names_twice'])}",
        "files entered by one video": f"{files}{f' (first entered to {legs})' if legs else ''}",
        "prompts: calls between modules (source)": way["calls_between_modules"],
        "prompts: stays, modules, returns": tell_way(way),
    }
    if run := video.get("prompts"):
        rows |= {
            "prompts, as run: stays, modules, returns": tell_way(run),
            "prompts, as run: the way": " > ".join(run["way"]),
        }
    print(title)
    for name, value in rows.items():
        print(f"  {name:42}{value}")


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkout", nargs="?", type=Path, default=REPOSITORY, help="a checkout (this one)")
    parser.add_argument("--at", metavar="COMMIT", help="count this commit of it")
    parser.add_argument("--static", action="store_true", help="make no video")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--make-video", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    checkout = arguments.checkout.resolve()
    if arguments.make_video:
        make_video(checkout)
        return 0
    with tempfile.TemporaryDirectory(prefix="kling-structure-") as folder:
        counted = checkout
        if arguments.at:
            archive = subprocess.run(
                ["git", "-C", str(checkout), "archive", arguments.at, PACKAGE],
                capture_output=True,
                check=True,
            )
            subprocess.run(["tar", "-x", "-C", folder], input=archive.stdout, check=True)
            counted = Path(folder).resolve()
        found = count_everything(counted, static=arguments.static)
    if arguments.json:
        print(json.dumps(found, indent=2))
    else:
        print_table(found, f"{checkout.name} at {arguments.at}" if arguments.at else str(checkout))
    return 0


if __name__ == "__main__":
    sys.exit(main())

# SPDX-License-Identifier: Apache-2.0
"""Jinja in its sandbox, with a meter: whatever a template makes is counted, and above a limit it ends.

Jinja's own sandbox keeps a template from what is not its business, not from filling the memory (``{{ "x" * 10**10 }}``)
or running for hours (two loops in each other). Here everything that a template makes is counted by its size when it is
made, or before, where it could be larger than what it is made of; and each pass of a loop and each call of a macro
counts as the whole text. So time and memory have an end that depends on no clock.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sized
from functools import wraps
from typing import Any

from jinja2 import StrictUndefined, Undefined, nodes
from jinja2.exceptions import SecurityError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

#: What one text may make, in characters and entries, beside the size of the values that it is given.
_LIMIT = 300_000
#: Longer texts are no prompts; reading one as a template costs more memory than it has characters.
LONGEST_TEMPLATE = 30_000

#: Filters that write an argument, or blanks, more than once.
_REPEATING = frozenset({"join", "replace", "wordwrap", "indent", "tojson", "urlize", "xmlattr"})
#: Filters that give something else each time: the request would be paid again with each load.
_RANDOM = ("random",)
_TEXT_METHODS = frozenset(
    {
        *(
            "capitalize",
            "casefold",
            "count",
            "endswith",
            "find",
            "index",
            "isalnum",
            "isalpha",
            "isdecimal",
            "isdigit",
        ),
        *(
            "islower",
            "isnumeric",
            "isspace",
            "istitle",
            "isupper",
            "lower",
            "lstrip",
            "partition",
            "removeprefix",
        ),
        *(
            "removesuffix",
            "rfind",
            "rindex",
            "rpartition",
            "rsplit",
            "rstrip",
            "split",
            "splitlines",
            "startswith",
        ),
        *("strip", "swapcase", "title", "upper"),
    }
)
_PLAIN_METHODS: dict[type, frozenset[str]] = {
    str: _TEXT_METHODS,
    bytes: frozenset(),
    bytearray: frozenset(),
    int: frozenset({"bit_length", "is_integer"}),
    float: frozenset({"is_integer"}),
}
_SIZED: tuple[type[Sized], ...] = (
    str,
    bytes,
    bytearray,
    range,
    type({}.keys()),
    type({}.values()),
    type({}.items()),
)
_FILTER_FOR = {"join": "join", "replace": "replace", "center": "center", "format": "format"}


class TooMuch(Exception):
    """The template makes more than a prompt needs."""

    def __init__(self) -> None:
        super().__init__("it makes more than a prompt needs (a loop, or a text that is repeated)")


class MeteredEnvironment(ImmutableSandboxedEnvironment):
    """Renders one text after the other; :meth:`start_text` resets the meter."""

    intercepted_binops = frozenset(("+", "-", "*", "/", "//", "%", "**"))

    def __init__(self, given: int) -> None:
        """Allow more to texts that are filled with larger values.

        :param given: the size of the values that are filled in, as :func:`measure_size` counts it.
        """
        super().__init__(
            undefined=StrictUndefined,
            keep_trailing_newline=True,
            optimized=False,
            finalize=self._meter_output,
        )
        self._allowed = _LIMIT + 4 * given
        self._left = 0
        self._whole = 0
        del self.globals["lipsum"]
        for name in _RANDOM:
            del self.filters[name]
        self.filters = {name: self._meter_filter(name, function) for name, function in self.filters.items()}
        self.filters |= {
            "_meter_items": self._meter_items,
            "_meter_value": self._meter_value,
            "_join_metered": self._join_metered,
        }

    def start_text(self, text: str) -> None:
        """Start the count for ``text``, from nothing."""
        self._left = self._allowed
        self._whole = len(text) + 1

    def spend_allowance(self, size: int) -> None:
        """Take ``size`` characters and entries from what the text may still make.

        :raises TooMuch: if less than that is left.
        """
        self._left -= size
        if self._left < 0:
            raise TooMuch

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree: nodes.Template = _Meters().visit(super()._parse(source, name, filename))
        return tree

    # What the rewritten template calls.

    def _meter_items(self, items: Iterable[Any]) -> Iterator[Any]:
        """Yield the items of a loop; each pass counts as the whole text."""
        for item in items:
            self.spend_allowance(self._whole)
            yield item

    def _meter_value(self, value: Any) -> Any:
        """Return a value that was just made, after counting its size."""
        self.spend_allowance(self._measure_value(value))
        return value

    def _join_metered(self, parts: Iterable[Any]) -> str:
        """Join the operands of ``a ~ b``, after counting them."""
        texts = [str(self._meter_value(part)) for part in parts]
        self.spend_allowance(sum(map(len, texts)))
        return "".join(texts)

    def _meter_output(self, value: Any) -> Any:
        """Return the value of ``{{ value }}``, after counting its size."""
        return value if isinstance(value, Undefined) else self._meter_value(value)

    # What Jinja's sandbox asks before it does something.

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        numbers = isinstance(left, int | float) and isinstance(right, int | float)
        if operator == "**" and not numbers:
            raise SecurityError("the operands of ** must be numbers")
        if operator == "**" and isinstance(left, int) and isinstance(right, int):
            self.spend_allowance(left.bit_length() * _read_length(right) // 8)
        elif operator == "%" and isinstance(left, str | bytes):
            self.spend_allowance(self._measure_formatted(left, right))
        elif operator == "*" and not numbers:
            self.spend_allowance(
                self._measure_value(left) * _read_factor(right)
                + self._measure_value(right) * _read_factor(left)
            )
        else:
            self.spend_allowance(self._measure_value(left) + self._measure_value(right))
        return self._meter_value(super().call_binop(context, operator, left, right))

    def call(self, context: Any, obj: Any, *args: Any, **kwargs: Any) -> Any:
        self.spend_allowance(self._whole)
        method = getattr(obj, "__wrapped__", obj)  # the sandbox wraps str.format
        owner, name = getattr(method, "__self__", None), getattr(method, "__name__", "")
        for kind, allowed in _PLAIN_METHODS.items():
            if isinstance(owner, kind) and name not in allowed:
                instead = f"; use the filter: value|{_FILTER_FOR[name]}(…)" if name in _FILTER_FOR else ""
                raise SecurityError(f"{kind.__name__}.{name} must not be called here{instead}")
        if owner is not None and not isinstance(owner, type(self)):
            self.spend_allowance(
                self._measure_value(owner) if isinstance(owner, str | list | tuple | dict) else 1
            )
        return self._meter_value(super().call(context, obj, *args, **kwargs))

    def getitem(self, obj: Any, argument: Any) -> Any:
        found = super().getitem(obj, argument)
        return self._meter_value(found) if isinstance(argument, slice) else found

    def _meter_filter(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Wrap a filter so that its input, what its arguments let it add, and its output are counted."""
        # Some take the environment or its like before the value.
        first = 0 if getattr(function, "jinja_pass_arg", None) is None else 1

        @wraps(function)
        def call_filter(*args: Any, **kwargs: Any) -> Any:
            value, more = args[first], [*args[first + 1 :], *kwargs.values()]
            if isinstance(value, Iterator):
                value = list(self._meter_items(value))
                args = (*args[:first], value, *args[first + 1 :])
            size = self._measure_value(value)
            self.spend_allowance(size + self._measure_addition(name, value, size, more))
            return self._meter_value(function(*args, **kwargs))

        return call_filter

    def _measure_addition(self, name: str, value: Any, size: int, arguments: list[Any]) -> int:
        """Compute the largest size that a filter may add to ``value`` because of its arguments."""
        if name == "format":
            return self._measure_formatted(value, tuple(arguments))
        times = size + 1 if name in _REPEATING else 1
        if name == "replace" and arguments:
            times = str(value).count(str(arguments[0])) if str(arguments[0]) else size + 1
        return sum(
            times * (_read_length(one) if isinstance(one, int | float) else self._measure_value(one))
            for one in arguments
        )

    def _measure_formatted(self, pattern: Any, arguments: Any) -> int:
        """Compute the largest size of ``pattern % arguments``; widths are numbers in the pattern, or arguments of ``*``."""
        widths = sum(_read_length(float(number)) for number in re.findall(r"\d+", str(pattern)))
        if "*" in str(pattern) and isinstance(arguments, tuple):
            widths += sum(_read_length(one) for one in arguments if isinstance(one, int))
        return (
            widths
            + self._measure_value(pattern)
            + self._measure_value(arguments) * (1 + str(pattern).count("%"))
        )

    def _measure_value(self, value: Any) -> int:
        size = measure_size(value, self._left)
        if size > self._left:
            raise TooMuch
        return size


def measure_size(value: Any, most: int = 100_000_000) -> int:
    """Measure a value in characters and entries, at any depth; stop soon after ``most``."""
    size, open_values = 0, [value]
    while open_values and size <= most:
        one = open_values.pop()
        size += 1
        kind = type(one)
        if kind in (list, tuple, set, frozenset):
            open_values += one
        elif kind is dict:
            open_values += [*one.keys(), *one.values()]
        elif isinstance(one, int):
            size += int(one).bit_length() // 8
        elif isinstance(one, _SIZED):
            size += len(one)
        elif isinstance(one, list | tuple | dict):  # somebody's own kind of them
            open_values += one.values() if isinstance(one, dict) else one
    return size


class _Meters(NodeTransformer):
    """Puts the meter where a template loops, compares, or puts something together."""

    def visit_For(self, node: nodes.For) -> nodes.For:
        self.generic_visit(node)
        node.iter = _apply_filter(node.iter, "_meter_items")
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Expr:
        self.generic_visit(node)
        return _apply_filter(nodes.Tuple(node.nodes, "load", lineno=node.lineno), "_join_metered")

    def visit_Compare(self, node: nodes.Compare) -> nodes.Node:
        self.generic_visit(node)
        node.expr = _apply_filter(node.expr, "_meter_value")
        for operand in node.ops:
            operand.expr = _apply_filter(operand.expr, "_meter_value")
        return node

    def visit_List(self, node: nodes.List) -> nodes.Node:
        self.generic_visit(node)
        return _apply_filter(node, "_meter_value")

    def visit_Dict(self, node: nodes.Dict) -> nodes.Node:
        self.generic_visit(node)
        return _apply_filter(node, "_meter_value")

    def visit_Tuple(self, node: nodes.Tuple) -> nodes.Node:
        self.generic_visit(node)
        return node if node.ctx != "load" else _apply_filter(node, "_meter_value")


def _apply_filter(node: Any, name: str) -> nodes.Filter:
    return nodes.Filter(node, name, [], [], None, None, lineno=node.lineno)


def _read_length(number: float) -> int:
    """Read a number as a length, with an upper bound that is beyond every limit."""
    return int(min(abs(number), 10**9)) if number == number else 0


def _read_factor(value: Any) -> int:
    return _read_length(max(0, value)) if isinstance(value, int) else 0

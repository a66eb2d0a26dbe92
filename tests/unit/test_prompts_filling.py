# SPDX-License-Identifier: Apache-2.0
"""``values`` fill prompts by Jinja, and no text of a prompt file makes that run for hours or fill the memory."""

from __future__ import annotations

import datetime
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kling_provider.prompts.fill import Filler

VALUES: dict[str, Any] = {
    "a": "banana",
    "b": {"c": 1},
    "cities": ["oslo", "rome"],
    "n": 7,
    "day": datetime.date(2026, 11, 27),
    "pairs": {"k": "v"},
    "long": "t" * 1000,
    "nan": float("nan"),
}


def assert_refused(text: str, says: str) -> None:
    """Assert that ``text`` is not filled, and that its problems match ``says``."""
    problems = Filler(VALUES).fill_text(text)
    assert not isinstance(problems, str), problems[:100]
    assert re.search(says, "; ".join(problem.message for problem in problems))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("{{ a }} and {{ b.c }}", "banana and 1"),
        ("A{% if a is defined %} x{% endif %} {{ z | default('cat') }}", "A x cat"),
        (
            "{% for c in cities %}{{ loop.index }}. {{ c|title }}{% if not loop.last %}, {% endif %}{% endfor %}",
            "1. Oslo, 2. Rome",
        ),
        ("{{ cities|join(', ') }}", "oslo, rome"),
        ("{{ '%02d'|format(n) }} {{ '%s-%s' % (a, n) }}", "07 banana-7"),
        ("{{ n * 2 + 1 }} {{ 2 ** 8 }} {{ n / 2 }} {{ n // 2 }} {{ -n }}", "15 256 3.5 3 -7"),
        ("{{ a.upper().strip() }} {{ a.split('a')[0] }} {{ day.strftime('%d %m') }}", "BANANA b 27 11"),
        ("{% macro m(x) %}<{{ x }}>{% endmacro %}{{ m(1) }}{{ m(2) }}", "<1><2>"),
        ("{% set q = a ~ '-' ~ n %}{{ q }}", "banana-7"),
        ("{% for k, v in pairs.items() %}{{ k }}={{ v }}{% endfor %}", "k=v"),
        ("{{ a|replace('a', 'b')|truncate(5) }}", "bbnbnb"),
        ("{{ 'x' if n > 1 else 'y' }} {{ 1 < n < 9 }}", "x True"),
        ("{{ cities == ['oslo', 'rome'] }} {{ 'oslo' in cities }}", "True True"),
        ("{{ cities|sort(reverse=true)|first }} {{ cities|map('upper')|list }}", "rome ['OSLO', 'ROME']"),
        (
            "{% set s = namespace(t=0) %}{% for c in cities %}{% set s.t = s.t + loop.index %}{% endfor %}{{ s.t }}",
            "3",
        ),
        ("{{ a[::-1] }} {{ {'x': a}['x'] }} {{ (1, 2)|sum }}", "ananab banana 3"),
        ("no braces at all", "no braces at all"),
    ],
)
def test_what_a_prompt_needs_works(text: str, filled: str) -> None:
    assert Filler(VALUES).fill_text(text) == filled


def test_an_image_in_base64_is_filled_in() -> None:
    image = "A" * 5_000_000
    assert Filler({"image": image}).fill_text("{{ image }}") == image


DOUBLING = [
    ("'aaaaaaaaaa'", "x ~ x"),
    ("'aaaaaaaaaa'", "x + x"),
    ("'aaaaaaaaaa'", "x * 2"),
    ("'aaaaaaaaaa'", "x|replace('a', 'aa')"),
    ("'aaaaaaaaaa'", "[x, x]|join"),
    ("'aaaaaaaaaa'", "'%s%s'|format(x, x)"),
    ("'aaaaaaaaaa'", "'%s%s' % (x, x)"),
    ("[1]", "[x, x]"),
    ("[1]", "x + x"),
    ("(1,)", "(x, x)"),
    ("{'a': 1}", "{'a': x, 'b': x}"),
    ("dict(a=1)", "dict(a=x, b=x)"),
    ("99999", "x * x"),
    ("99999", "x ** 2"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("start", "more"), DOUBLING)
def test_what_doubles_ends_early(start: str, more: str) -> None:
    lines = "".join(f"{{% set x = {more} %}}" for _ in range(60))
    assert_refused(f"{{% set x = {start} %}}{lines}", "it makes more than a prompt needs")


HUGE = 10**10


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    [
        f"{{{{ 'x' * {HUGE} }}}}",
        f"{{{{ {HUGE} * 'x' }}}}",
        f"{{{{ [1] * {HUGE} }}}}",
        f"{{% if 'x' * {HUGE} %}}y{{% endif %}}",
        f"{{{{ 9 ** {HUGE} }}}}",
        "{{ 'x' * 999 * 999 * 999 * 999 }}",
        "{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}",
        f"{'{% for a in long %}' * 5}x{'{% endfor %}' * 5}",
        f"{{{{ 'a'|center({HUGE}) }}}}",
        f"{{{{ '%{HUGE}d'|format(1) }}}}",
        f"{{{{ '%*d'|format({HUGE}, 1) }}}}",
        f"{{{{ '%{HUGE}d' % 1 }}}}",
        f"{{{{ '%*d' % ({HUGE}, 1) }}}}",
        "{% set x = 'a' * 900 %}{% set x = x|replace('a', x) %}{{ x|replace('a', x) }}",
        "{{ ('a' * 9000)|replace('', 'a' * 9000) }}",
        "{{ range(90000)|join('a' * 9000) }}",
        f"{{{{ long|indent({HUGE}) }}}}",
        f"{{{{ [[1]]|tojson(indent={HUGE}) }}}}",
        f"{{{{ [1]|batch({HUGE}, 1)|list }}}}",
        f"{{{{ [1]|slice({HUGE})|list }}}}",
        f"{{{{ 1.5|round({HUGE}, 'floor') }}}}",
        "{{ ('a ' * 9000)|wordwrap(1, wrapstring='b' * 9000) }}",
        "{{ range(90000)|map('center', 90000)|list }}",
        "{{ {}.fromkeys(range(90000), 'a' * 9000) }}",
        "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(60) }}",
        "{% set s = namespace(x=long) %}{% for i in range(99) %}{% set s.x = s.x ~ s.x %}{% endfor %}",
        "{{ range(100000)|sum }}" * 900,
        "{% set x = 'a' * 90000 %}" + "{{ x[::-1]|length }}" * 900,
        "{{ long|sort|list|length }}" * 900,
    ],
)
def test_what_would_fill_the_memory_or_run_for_hours_ends_early(text: str) -> None:
    assert_refused(text, "it makes more than a prompt needs")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{{ 'a'.center(9) }}", r"str\.center must not be called here; use the filter: value\|center"),
        ("{{ 'a'.join(['b']) }}", r"use the filter: value\|join"),
        ("{{ '{:>9}'.format(1) }}", r"str\.format must not be called here"),
        ("{{ '{a:>9}'.format_map({'a': 1}) }}", r"str\.format_map must not be called here"),
        ("{{ 'a'.zfill(9) }}", r"str\.zfill"),
        ("{{ (1).to_bytes(9) }}", r"int\.to_bytes"),
        ("{{ lipsum(9) }}", "'lipsum' must be in values"),
        ("{{ [1, 2]|random }}", "No filter named 'random'"),
        ("{{ cities.append('x') }}", "SecurityError"),
        ("{{ cities.__class__ }}", "SecurityError"),
        ("{% macro f() %}{{ f() }}{{ f() }}{% endmacro %}{{ f() }}", "RecursionError"),
        ("{{ " + "(" * 9000 + "1" + ")" * 9000 + " }}", "RecursionError"),
        (
            "{{ a }}" + "x" * 30_000,
            "has 30,007 characters; a text with placeholders must have at most 30,000",
        ),
        ("{{ nan ** 'x' }}", r"of \*\* must be numbers"),
    ],
)
def test_what_is_not_done_here_says_so(text: str, says: str) -> None:
    assert_refused(text, says)


def test_no_number_switches_the_meter_off() -> None:
    loops = "{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}"
    text = "{{ 1.5|round(nan) if false else '' }}{{ a|default(nan) }}" + loops
    assert_refused(text, "it makes more than a prompt needs")


def test_each_text_has_its_own_limit() -> None:
    filler = Filler(VALUES)
    text = "{% for i in range(2000) %}{{ i }} {% endfor %}"
    filled = [filler.fill_text(text) for _ in range(20)]
    assert [len(one) for one in filled if isinstance(one, str)] == [8890] * 20


@pytest.mark.slow
@given(
    st.lists(
        st.sampled_from(
            [
                "x ~ x",
                "x|string",
                "x|list",
                "x|length",
                "[x, x]",
                "x|replace('1', x|string)",
                "x|tojson",
                "(x, 1)",
                "x|join(x|string)",
                "x|string|center(99)",
                "x|string|indent(9)",
                "x|batch(3)|list",
                "x * 3",
                "x + x",
            ]
        ),
        max_size=40,
    )
)
@settings(max_examples=60, deadline=None)
def test_whatever_is_put_together_has_an_end(steps: list[str]) -> None:
    text = "{% set x = '1' %}" + "".join(f"{{% set x = {step} %}}" for step in steps) + "{{ x }}"
    filled = Filler({}).fill_text(text)
    if isinstance(filled, str):
        assert len(filled) < 3_000_000
    else:
        assert all(problem.message for problem in filled)
        assert filled

# SPDX-License-Identifier: Apache-2.0
"""docs/gateways.md: its table is made of the profiles (``WRITE_DOCS=1 pytest …`` writes it)."""

from __future__ import annotations

import os
import re

import pytest

from kling_provider.api.catalog import all_specs
from kling_provider.api.dialects import DIALECTS
from kling_provider.api.host_profiles import PROFILES
from kling_provider.api.hosts import HostProfile
from kling_provider.api.parsing import parse_request
from kling_provider.hooks.connection_form import CONN_FIELDS
from kling_provider.prompts import load_prompts
from tests.support.pages import REPOSITORY

PAGE = REPOSITORY / "docs" / "gateways.md"
TABLE = re.compile(r"(?<=<!-- profiles -->\n).*?(?=<!-- end of profiles -->)", re.DOTALL)
HEAD = (
    "Profile",
    "Hosts",
    "API",
    "Types",
    "External ids",
    "Callbacks",
    "Look-up",
    "List",
    "Lock",
    "Prices",
    "Source",
)


def make_table() -> str:
    rows = [HEAD, tuple("---" for _ in HEAD), *map(make_row, PROFILES.values())]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def make_row(profile: HostProfile) -> tuple[str, ...]:
    as_used = profile.for_api(profile.api)
    carried = "no¹" if profile.needs_namespace else None
    return (
        f"`{profile.name}`",
        ", ".join(profile.domains) or "any other"
        if profile.name == "gateway"
        else ", ".join(profile.domains) or "–",
        f"`{profile.api}`",
        ", ".join(list_types(profile)),
        carried or say(as_used.external_ids),
        carried or say(as_used.callbacks),
        say(as_used.can_find_by_external_id),
        say(as_used.task_reads),
        say(as_used.locks),
        "Kling's list" if profile.is_kling else "with `unit_price`",
        f"{profile.source}, {profile.read_in}",
    )


def list_types(profile: HostProfile) -> list[str]:
    dialect = DIALECTS[profile.api]
    found = []
    for spec in all_specs():
        if dialect.design not in spec.paths:
            continue
        example = {"type": spec.type, "prompt": "x", "first_frame": "https://host.example/a.png"}
        known = {key: value for key, value in example.items() if key in spec.request_class.model_fields}
        if spec.example:
            (known,) = load_prompts(REPOSITORY / "dags/requests" / spec.example)
        problems = dialect.find_unsupported(parse_request(known))
        if not any(problem.field in ("type", "model") for problem in problems):
            found.append(spec.type)
    return found


def say(able: bool) -> str:
    return "yes" if able else "no"


def test_the_table_is_made_of_the_profiles() -> None:
    page = PAGE.read_text()
    [found] = TABLE.findall(page)
    if "WRITE_DOCS" in os.environ:
        PAGE.write_text(TABLE.sub(lambda _: make_table(), page))
    else:
        assert found == make_table()


@pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda profile: profile.name)
def test_each_profile_says_where_its_facts_are_from(profile: HostProfile) -> None:
    assert profile.source
    assert re.fullmatch(r"20\d\d-\d\d", profile.read_in)
    assert profile.api in DIALECTS


def test_the_form_offers_every_profile_and_api() -> None:
    assert CONN_FIELDS["profile"]["schema"]["enum"] == ["automatic", *PROFILES]
    assert CONN_FIELDS["api"]["schema"]["enum"] == ["automatic", *DIALECTS]

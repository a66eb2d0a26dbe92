# SPDX-License-Identifier: Apache-2.0
"""docs/gateways.md: its table is made of the profiles (``WRITE_DOCS=1 pytest …`` writes it)."""

from __future__ import annotations

import os
import re

import pytest

from kling_provider.api.dialects import DIALECTS, Dialect
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
        describe_types(profile),
        carried or say(as_used.external_ids),
        carried or say(as_used.callbacks),
        say(as_used.can_find_by_external_id),
        say(as_used.task_reads),
        say(as_used.locks),
        "Kling's list" if profile.is_kling else "with `unit_price`",
        f"{profile.source}, {profile.read_in}",
    )


def describe_types(profile: HostProfile) -> str:
    """All of an API, or those that the host documents."""
    if profile.is_kling:
        return "all"
    dialect = DIALECTS[profile.api]
    if profile.types or profile.api not in ("standard", "legacy"):
        return ", ".join(name for name in list_video_types() if is_taken(profile, dialect, name))
    return f"what it has of the {profile.api} API"


def list_video_types() -> list[str]:
    return ["text_to_video", "image_to_video", "omni_video"]


def is_taken(profile: HostProfile, dialect: Dialect, type_: str) -> bool:
    (example,) = load_prompts(REPOSITORY / f"dags/requests/{type_}.yaml")
    request = parse_request(example)
    problems = [*dialect.find_unsupported(request), *profile.find_unsupported(request)]
    return not any(problem.field in ("type", "model") for problem in problems)


@pytest.mark.parametrize("name", ["tokenhub", "aimanyi", "cloudsway", "dmxapi"])
def test_what_such_a_host_does_not_document_is_refused(name: str) -> None:
    profile = PROFILES[name]
    avatar = parse_request(load_prompts(REPOSITORY / "dags/requests/avatar.yaml")[0])
    problems = [*DIALECTS[profile.api].find_unsupported(avatar), *profile.find_unsupported(avatar)]
    assert [problem.field for problem in problems] == ["type"]


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

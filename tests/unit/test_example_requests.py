# SPDX-License-Identifier: Apache-2.0
"""The example files of requests: one for each type that names one, and nothing in them that is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from kling_provider.api.catalog import all_specs, spec_of
from kling_provider.api.dialects import DIALECTS, find_dialect
from kling_provider.api.parsing import parse_request
from kling_provider.prompts import load_prompts

EXAMPLES = {spec.example: spec.type for spec in all_specs() if spec.example}


def test_every_file_is_the_example_of_a_type(repository: Path) -> None:
    assert {file.name for file in (repository / "dags/requests").glob("*.yaml")} == set(EXAMPLES)


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_may_be_sent(name: str, repository: Path) -> None:
    (data,) = load_prompts(repository / "dags/requests" / name)
    request = parse_request(data)
    dialect = find_dialect(DIALECTS["standard"], spec_of(request))
    assert request.type == EXAMPLES[name]
    assert request.find_unsupported(dialect.design) == []
    assert request.find_warnings() == []
    assert dialect.create(request, None).json

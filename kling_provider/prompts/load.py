# SPDX-License-Identifier: Apache-2.0
"""Prompt files -> requests, one step after the other.

Each step is a module, named by what it does, and hands one kind of object to the next. What is wrong is collected
beside them, so that all of it is told at once.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from kling_provider.compat import get_running_context
from kling_provider.prompts.check import CheckedRequest, check_requests
from kling_provider.prompts.choose import choose_requests
from kling_provider.prompts.defaults import apply_defaults
from kling_provider.prompts.fill import fill_values
from kling_provider.prompts.find import find_files
from kling_provider.prompts.inputs import resolve_inputs
from kling_provider.prompts.literal import LiteralRequest
from kling_provider.prompts.problems import Problems, build_call_error
from kling_provider.prompts.read import read_files
from kling_provider.prompts.variants import expand_variants


def load_requests(
    path: str | os.PathLike[str],
    *,
    conn_id: str | None,
    only: Sequence[str] | str | None,
    values: Mapping[str, Any] | None,
    inputs_below: Sequence[str | os.PathLike[str]] | str | None,
    limit: int,
) -> list[dict[str, Any]]:
    """Load the requests of a path; :func:`kling_provider.prompts.load_prompts` documents the parameters and errors."""
    _check_arguments(values, limit)
    problems = Problems()
    found = find_files(path, problems)
    contents = read_files(found.files, problems)
    entries = apply_defaults(contents, problems)
    variants = expand_variants(entries, problems)
    filled = fill_values(variants, values, problems)
    resolved = resolve_inputs(filled, found.root, inputs_below, problems)
    checked = check_requests(resolved, conn_id, problems)
    if problems:
        raise problems.build_error(str(path))
    if not checked:
        raise build_call_error(f"there are no prompts in {path}: its files are empty")
    chosen = choose_requests(checked, only)
    _check_count(chosen, path, limit)
    # What a task returns goes through XCom, where Airflow takes nothing for a template.
    is_task = bool(get_running_context())
    return [request.data if is_task else LiteralRequest(request.data) for request in chosen]


def _check_arguments(values: Any, limit: Any) -> None:
    if values is not None and not isinstance(values, Mapping):
        raise build_call_error(
            f"values must be a mapping such as {{'city': 'Oslo'}}; found {type(values).__name__}"
        )
    if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
        raise build_call_error(f"limit must be a whole number from 1; found {limit!r:.80}")


def _check_count(chosen: Sequence[CheckedRequest], path: str | os.PathLike[str], limit: int) -> None:
    if len(chosen) > limit:
        raise build_call_error(
            f"{path} makes {len(chosen):,} results, and the limit is {limit:,}. Each of them would be paid: choose some with only, "
            f"or give limit={len(chosen)} if you mean all of them"
        )

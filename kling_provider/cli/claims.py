# SPDX-License-Identifier: Apache-2.0
"""``claims list`` and ``claims release``."""

from __future__ import annotations

import argparse

from kling_provider.cli.terminal import ask_to_confirm, print_lines
from kling_provider.storage import FoundClaim, find_claims, release_claim


def list_claims(arguments: argparse.Namespace) -> int:
    """Print each claim at or below a folder with the task that owns it; return the exit code."""
    found = find_claims(arguments.folder, arguments.conn_id)
    for one in found:
        print_lines(*_describe_claim(one))
    print_lines(f"{_count_claims(found)} at or below {arguments.folder}.")
    return 0


def release_claims(arguments: argparse.Namespace) -> int:
    """Release claims, of a folder only after a question; return the exit code."""
    found = find_claims(arguments.target, arguments.conn_id)
    if not found:
        print_lines(f"There is no claim at or below {arguments.target}.")
        return 1
    for one in found:
        print_lines(*_describe_claim(one))
    if len(found) > 1 and not ask_to_confirm(f"Release {_count_claims(found)}?", yes=arguments.yes):
        return 1
    released = [one for one in found if release_claim(one)]
    print_lines(f"Released {_count_claims(released)}.")
    if left := len(found) - len(released):
        print_lines(f"{left} changed hands or became a result meanwhile.")
    return 0


def _count_claims(found: list[FoundClaim]) -> str:
    return f"{len(found)} claim" if len(found) == 1 else f"{len(found)} claims"


def _describe_claim(found: FoundClaim) -> tuple[str, str]:
    place = found.place
    claim = found.claim
    if claim is None:
        return place, "    an empty claim: its task was killed while it made it"
    facts = (
        ("Dag", claim.dag_id),
        ("run", claim.run_id),
        ("task", claim.task_id),
        ("map index", claim.map_index if claim.map_index is not None and claim.map_index >= 0 else None),
        ("name", claim.name),
    )
    owner = ", ".join(f"{label} {value}" for label, value in facts if value is not None)
    return place, f"    since {claim.claimed_at}: {owner}"

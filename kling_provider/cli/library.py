# SPDX-License-Identifier: Apache-2.0
"""``voices list``, ``voices delete``, ``elements list`` and ``elements delete``."""

from __future__ import annotations

import argparse

from kling_provider.cli.terminal import ask_to_confirm, print_lines
from kling_provider.hooks.kling import KlingHook


def list_voices(arguments: argparse.Namespace) -> int:
    """Print each voice; return the exit code. The links to listen to them are signed, so they are not printed."""
    found = KlingHook(arguments.conn_id).list_voices(presets=arguments.presets)
    for one in found:
        print_lines(_describe_entry(one.id, one.name, one.owned_by))
    print_lines(f"{_count(len(found), 'voice')}.")
    return 0


def delete_voice(arguments: argparse.Namespace) -> int:
    """Delete one voice, after a question; return the exit code."""
    if not ask_to_confirm(f"Delete voice {arguments.voice_id} at Kling, for ever?", yes=arguments.yes):
        return 1
    deleted = KlingHook(arguments.conn_id).delete_voice(arguments.voice_id)
    print_lines(_describe_deletion(f"voice {arguments.voice_id}", deleted=deleted))
    return 0


def list_elements(arguments: argparse.Namespace) -> int:
    """Print each element with its description; return the exit code."""
    found = KlingHook(arguments.conn_id).list_elements(presets=arguments.presets, old=arguments.old)
    for one in found:
        gone = "deleted" if one.status == "deleted" else None
        print_lines(_describe_entry(one.id, one.name, one.owned_by, one.description, gone))
    print_lines(f"{_count(len(found), 'element')}.")
    return 0


def delete_element(arguments: argparse.Namespace) -> int:
    """Delete one element, after a question; return the exit code."""
    if not ask_to_confirm(f"Delete element {arguments.element_id} at Kling, for ever?", yes=arguments.yes):
        return 1
    deleted = KlingHook(arguments.conn_id).delete_element(arguments.element_id)
    print_lines(_describe_deletion(f"element {arguments.element_id}", deleted=deleted))
    return 0


def _describe_entry(id: str, name: str | None, owned_by: str | None, *more: str | None) -> str:
    facts = [name or "without a name", *(one for one in more if one)]
    if owned_by:
        facts.append(f"owned by {owned_by}")
    return f"{id}  {', '.join(facts)}"


def _describe_deletion(what: str, *, deleted: bool) -> str:
    return f"Deleted {what}." if deleted else f"There is nothing to do: {what} was deleted before."


def _count(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"

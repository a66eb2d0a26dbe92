# SPDX-License-Identifier: Apache-2.0
"""Thousands of triggers that start while what they need is being loaded."""

from __future__ import annotations

import asyncio
import sys

import pytest

from kling_provider.triggers.starting import load_module


async def test_all_go_on_a_few_at_a_time_once_it_is_loaded():
    order: list[int] = []
    rounds_at: list[int] = []
    rounds = 0

    async def start(number: int) -> None:
        await load_module("sndhdr")
        order.append(number)
        rounds_at.append(rounds)

    tasks = [asyncio.create_task(start(number)) for number in range(500)]
    while not all(task.done() for task in tasks):
        rounds += 1
        await asyncio.sleep(0)
    assert order == list(range(500))
    assert "sndhdr" in sys.modules
    # In no round of the loop more than a few.
    assert max(rounds_at.count(one) for one in set(rounds_at)) <= 10


async def test_the_first_may_leave_and_the_others_go_on():
    tasks = [asyncio.create_task(load_module("antigravity_of_nobody")) for _ in range(3)]
    others = [asyncio.create_task(load_module("colorsys")) for _ in range(3)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    await asyncio.gather(*others)
    assert "colorsys" in sys.modules
    for task in tasks[1:]:
        with pytest.raises(ModuleNotFoundError):
            await task


async def test_what_cannot_be_imported_says_so_to_each():
    tasks = [asyncio.create_task(load_module("kling_provider.no_such_module")) for _ in range(3)]
    for outcome in await asyncio.gather(*tasks, return_exceptions=True):
        assert isinstance(outcome, ModuleNotFoundError)

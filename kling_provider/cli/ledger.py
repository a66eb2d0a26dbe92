# SPDX-License-Identifier: Apache-2.0
"""``ledger units`` and ``ledger balance``."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from kling_provider.api.billing import format_amount, units_text
from kling_provider.cli.terminal import print_lines
from kling_provider.exceptions import KlingRequestError
from kling_provider.hooks.kling import KlingHook

if TYPE_CHECKING:
    from kling_provider.api.ledgers import Deduction

_UNKNOWN_CURRENCY = "in a currency that Kling does not say"


def list_units(arguments: argparse.Namespace) -> int:
    """Print what was taken from packs, the sums of each type of pack last; return the exit code."""
    rows = KlingHook(arguments.conn_id).list_unit_deductions(
        _find_start(arguments.days),
        api_key_names=arguments.api_key_name,
        product_types=arguments.product_type,
    )
    sums: dict[str, Decimal] = {}
    for row in rows:
        kind = row.product_type or "unknown"
        sums[kind] = sums.get(kind, Decimal(0)) + row.amount
        print_lines(_describe_deduction(row, f"{units_text(row.amount)} ({kind})"))
    told = ", ".join(f"{units_text(amount)} ({kind})" for kind, amount in sums.items())
    print_lines(_describe_sum(len(rows), told, arguments.days))
    return 0


def list_balance(arguments: argparse.Namespace) -> int:
    """Print what was taken from the balance, the sums of each currency last; return the exit code."""
    rows = KlingHook(arguments.conn_id).list_balance_deductions(
        _find_start(arguments.days), api_key_names=arguments.api_key_name
    )
    sums: dict[str, Decimal] = {}
    for row in rows:
        currency = row.currency or _UNKNOWN_CURRENCY
        sums[currency] = sums.get(currency, Decimal(0)) + row.amount
        print_lines(_describe_deduction(row, f"{format_amount(row.amount)} {currency}"))
    told = ", ".join(f"{format_amount(amount)} {currency}" for currency, amount in sums.items())
    print_lines(_describe_sum(len(rows), told, arguments.days))
    return 0


def _find_start(days: int) -> datetime:
    if days < 1:
        raise KlingRequestError(f"--days must be a whole number from 1; found {days}. Nothing was sent.")
    try:
        return datetime.now(UTC) - timedelta(days=days)
    except OverflowError:
        raise KlingRequestError(f"--days must be less; found {days}. Nothing was sent.") from None


def _describe_deduction(row: Deduction, amount: str) -> str:
    at = row.deducted_at.isoformat(sep=" ", timespec="seconds") if row.deducted_at else "at an unknown time"
    seconds = None if row.duration is None else f"{format_amount(row.duration)} s"
    facts = (row.product_function, row.model, row.resolution, seconds, row.api_key_name)
    what = ", ".join(fact for fact in facts if fact)
    return f"{at}  {amount}  task {row.kling_task_id or 'unknown'}{f': {what}' if what else ''}"


def _describe_sum(count: int, told: str, days: int) -> str:
    deductions = "1 deduction" if count == 1 else f"{count} deductions"
    within = "1 day" if days == 1 else f"{days} days"
    return f"{deductions} within {within}{f': {told}' if told else ''}."

# SPDX-License-Identifier: Apache-2.0
"""Quote a list of requests: which are paid already, what the others would cost, and what the account has left."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from kling_provider.api.account import units_left
from kling_provider.api.billing import Package, sums_text, usd_text
from kling_provider.api.pricing import Price
from kling_provider.exceptions import KlingError
from kling_provider.execution.found import PaidResult, Wanted
from kling_provider.hooks.kling import KlingHook
from kling_provider.hooks.operations import IN_FLIGHT

log = logging.getLogger(__name__)

#: What Kling's list of tasks calls what each kind of pack pays for.
_PRODUCT_TYPES: Mapping[Package, tuple[str, ...]] = {"video": ("video",), "image": ("image", "try_on")}

#: Units by kind of pack: those of two kinds are never added.
UnitSums = Mapping[Package, Decimal]


@dataclass(frozen=True, slots=True)
class QuoteLine:
    """One request of the list. ``found``: where its result is already, so that nothing is paid."""

    wanted: Wanted
    found: PaidResult | None = None

    @property
    def label(self) -> str:
        """Return the request in a few words."""
        return self.wanted.label

    @property
    def price(self) -> Price:
        """Return the list price of the request."""
        return self.wanted.plan.price


@dataclass(frozen=True, kw_only=True)
class Quote:
    """What a list costs, and what the account has. Unknown amounts are ``None``, and said so."""

    lines: Sequence[QuoteLine]
    #: Tasks in flight in the account that draw on the packs of this list, and their units as far as they can be known.
    in_flight: int | None
    in_flight_units: UnitSums
    units_left: UnitSums | None
    #: The host, where its prices may differ from Kling's list.
    reseller: str | None = None

    @property
    def new_lines(self) -> list[QuoteLine]:
        """Return the requests that would be paid."""
        return [line for line in self.lines if line.found is None]

    @property
    def packages(self) -> list[Package]:
        """Return the kinds of packs that pay for the list."""
        return _find_packages(self.lines)

    @property
    def units(self) -> UnitSums | None:
        """Return the units of the new ones by kind of pack; ``None`` where one of them has no known price."""
        sums: dict[Package, Decimal] = dict.fromkeys(self.packages, Decimal(0))
        for line in self.new_lines:
            if line.price.units is None:
                return None
            sums[line.price.package] += line.price.units
        return sums

    @property
    def usd(self) -> Decimal | None:
        """Return US dollars of the new ones at list price; ``None`` where one of them has no known price."""
        return _sum_known(line.price.usd for line in self.new_lines)

    @property
    def unpriced_lines(self) -> list[QuoteLine]:
        """Return the new ones without a known price."""
        return [line for line in self.new_lines if line.price.units is None]

    def format_table(self) -> str:
        """Return the list for the log, one line per request, then the sums."""
        rows = [
            (
                line.label,
                line.wanted.plan.request.model or "",
                "" if facts.duration is None else f"{facts.duration} s",
                facts.resolution or "",
                _describe_state(line),
            )
            for line in self.lines
            for facts in (line.wanted.plan.request.summary,)
        ]
        widths = [max((len(row[column]) for row in rows), default=0) for column in range(5)]
        text = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        ]
        text.append(f"{len(self.new_lines)} of {len(self.lines)} to be paid: {self._sum_in_words()}")
        if self.in_flight:
            tasks = "task" if self.in_flight == 1 else "tasks"
            text.append(
                f"in flight in this account: {self.in_flight} {tasks}, about {sums_text(self.in_flight_units)}"
            )
        if (left := self.units_left) is not None:
            left = {package: left[package] for package in self.packages or left}
        text.append(f"left in the account: {'not known' if left is None else sums_text(left)}")
        return "\n".join(text)

    def _sum_in_words(self) -> str:
        units: dict[Package, Decimal] = dict.fromkeys(self.packages, Decimal(0))
        for line in self.new_lines:
            units[line.price.package] += line.price.units or 0
        dollars = [line.price.usd for line in self.new_lines if line.price.usd is not None]
        said = f"{sums_text(units)} (about {usd_text(sum(dollars, Decimal(0)))}) at list price"
        if self.unpriced_lines:
            said += f", and {len(self.unpriced_lines)} without a known price in units"
        if self.reseller and self.new_lines:
            said += f"; {self.reseller} may have prices of its own"
        return said


def quote_list(hook: KlingHook, wanted: Sequence[Wanted], found: Mapping[int, PaidResult]) -> Quote:
    """Add up what a list would cost.

    :param found: by place in the list, what need not be paid.
    """
    lines = [QuoteLine(one, found.get(index)) for index, one in enumerate(wanted)]
    count, units = _read_in_flight(hook, lines)
    return Quote(
        lines=lines,
        in_flight=count,
        in_flight_units=units,
        units_left=_read_units_left(hook),
        reseller=None if hook.connection.profile.name == "kling" else hook.connection.host,
    )


def _find_packages(lines: Iterable[QuoteLine]) -> list[Package]:
    """Find the kinds of packs that pay for requests, each once."""
    return list(dict.fromkeys(line.price.package for line in lines))


def _read_in_flight(hook: KlingHook, lines: Sequence[QuoteLine]) -> tuple[int | None, UnitSums]:
    """Read how many tasks run that are not deducted yet, and estimate their units.

    Kling does not tell the price of a running task: ours are known, others count at this list's average for their kind of
    pack. Tasks that draw on packs of another kind than this list's are not asked for.
    """
    packages = _find_packages(lines)
    none: dict[Package, Decimal] = dict.fromkeys(packages, Decimal(0))
    if not hook.connection.profile.task_reads:
        return None, none
    count, units = 0, dict(none)
    for package in packages:
        try:
            running = hook.list_tasks(statuses=IN_FLIGHT, product_types=_PRODUCT_TYPES[package])
        except KlingError as error:
            log.warning("The tasks in flight could not be read: %s", error)
            return None, none
        paid_from = [line for line in lines if line.price.package == package]
        ours = {
            line.found.kling_task_id: line.price.units
            for line in paid_from
            if line.found is not None and line.price.units is not None
        }
        known = [line.price.units for line in paid_from if line.price.units is not None]
        average = sum(known, Decimal(0)) / len(known) if known else Decimal(0)
        estimate = sum((ours.get(task.kling_task_id) or average for task in running), Decimal(0))
        count, units[package] = count + len(running), estimate.quantize(Decimal("0.1"))
    return count, units


def _read_units_left(hook: KlingHook) -> UnitSums | None:
    if not hook.connection.profile.account:
        return None
    try:
        packs = hook.account()
    except KlingError as error:
        log.warning("The account could not be read: %s", error)
        return None
    return units_left(packs) if packs else None


def _sum_known(amounts: Iterable[Decimal | None]) -> Decimal | None:
    total = Decimal(0)
    for amount in amounts:
        if amount is None:
            return None
        total += amount
    return total


def _describe_state(line: QuoteLine) -> str:
    return line.price.as_text() if line.found is None else line.found.words

# SPDX-License-Identifier: Apache-2.0
"""What was taken from packs: one entry for each task that succeeded and each pack that paid for it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Deduction:
    """Units that one pack gave for one task."""

    task_id: str
    account: str
    pack_id: str
    pack_name: str
    moment: int
    """Epoch milliseconds."""
    units_before: Decimal
    units: Decimal

    @property
    def units_after(self) -> Decimal:
        """Return what the pack had left."""
        return self.units_before - self.units


def restore_deduction(kept: dict[str, Any]) -> Deduction:
    """Return the entry that a journal has kept."""
    amounts = {name: Decimal(kept[name]) for name in ("units_before", "units")}
    return Deduction(**{**kept, **amounts})

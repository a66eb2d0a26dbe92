# SPDX-License-Identifier: Apache-2.0
"""Ids of gateways' own, which hold Kling's: the sandbox needs no table of them, and a restart forgets none.

Each has a head, characters that look random, and Kling's number; an id that was not made so is nobody's.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from kling_provider.sandbox.state.backend import ID_EPOCH_MS

_SMALL = "0123456789abcdefghijklmnopqrstuvwxyz"
_HEX = _SMALL[:16]
CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_MIXED = _SMALL + _SMALL[10:].upper()


@dataclass(frozen=True, kw_only=True)
class IdForm:
    """A form of ids.

    :param digits: the characters after the head.
    :param noise: how many of them look random.
    :param width: how many of them are Kling's number, which has up to 60 bits.
    :param stamp: how many characters before them are the time in milliseconds.
    :param dashes: where dashes stand, counted without those before.
    """

    head: str = ""
    digits: str
    noise: int
    width: int
    stamp: int = 0
    dashes: tuple[int, ...] = ()

    def encode(self, kling_id: str) -> str:
        """Return the id of this form that holds one of Kling's."""
        number, noise = int(kling_id), hashlib.sha256(f"{self.head}{kling_id}".encode()).digest()
        text = (
            self._write_number((number >> 22) + ID_EPOCH_MS, self.stamp)
            + self._write_number(int.from_bytes(noise), self.noise)
            + self._write_number(number, self.width)
        )
        for place in reversed(self.dashes):
            text = f"{text[:place]}-{text[place:]}"
        return self.head + text

    def decode(self, given: str) -> str | None:
        """Return Kling's id in one of this form; None where it holds none."""
        digits = given.removeprefix(self.head).replace("-", "")[-self.width :]
        if not digits or set(digits) - set(self.digits):
            return None
        number = 0
        for digit in digits:
            number = number * len(self.digits) + self.digits.index(digit)
        return str(number) if self.encode(str(number)) == given else None

    def _write_number(self, number: int, width: int) -> str:
        """Write the last ``width`` digits of a number."""
        text = ""
        for _ in range(width):
            number, digit = divmod(number, len(self.digits))
            text = self.digits[digit] + text
        return text


PUBLIC = IdForm(head="task_", digits=_SMALL, noise=20, width=12)
"""Of the new-api family: ``task_`` and 32 characters."""
ULID = IdForm(head="task_", digits=CROCKFORD, stamp=10, noise=4, width=12)
"""Of Kapon: ``task_`` and a ULID, whose first ten characters are a time."""
OLD = IdForm(head="C", digits=_MIXED, noise=10, width=11)
"""Of Kling itself in early 2025, and of gateways that still answer so: 22 characters."""
TSK = IdForm(head="tsk-", digits=_SMALL, noise=4, width=12)
"""Of Baidu's resale behind DMXAPI's ``kling-v3``."""
MDA = IdForm(head="mda-", digits=_SMALL, noise=4, width=12)
"""Of its videos."""
UUID = IdForm(digits=_HEX, noise=16, width=16, dashes=(8, 12, 16, 20))
"""Of Alibaba Bailian."""

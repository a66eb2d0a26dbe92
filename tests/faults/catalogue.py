# SPDX-License-Identifier: Apache-2.0
"""All faults, in the order of the table."""

from __future__ import annotations

from tests.faults import answers

SCENARIOS = (*answers.SCENARIOS,)

# SPDX-License-Identifier: Apache-2.0
"""All faults, in the order of the table."""

from __future__ import annotations

from tests.faults import account, answers, changes, components, files, hosts, kills, kling, limits, people

SCENARIOS = (
    *answers.SCENARIOS,
    *limits.SCENARIOS,
    *kills.SCENARIOS,
    *components.SCENARIOS,
    *people.SCENARIOS,
    *kling.SCENARIOS,
    *files.SCENARIOS,
    *changes.SCENARIOS,
    *account.SCENARIOS,
    *hosts.SCENARIOS,
)

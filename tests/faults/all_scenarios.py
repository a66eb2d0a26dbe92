# SPDX-License-Identifier: Apache-2.0
"""All faults, in the order of the table."""

from __future__ import annotations

from tests.faults import (
    account_faults,
    changes,
    component_kills,
    gateways,
    kinds_of_results,
    lost_responses,
    rate_limits,
    storage_faults,
    user_actions,
    vendor_failures,
    worker_kills,
)

SCENARIOS = (
    *lost_responses.SCENARIOS,
    *rate_limits.SCENARIOS,
    *worker_kills.SCENARIOS,
    *component_kills.SCENARIOS,
    *user_actions.SCENARIOS,
    *vendor_failures.SCENARIOS,
    *storage_faults.SCENARIOS,
    *changes.SCENARIOS,
    *account_faults.SCENARIOS,
    *gateways.SCENARIOS,
    *kinds_of_results.SCENARIOS,
)

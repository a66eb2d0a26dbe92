# SPDX-License-Identifier: Apache-2.0
"""What tests, benchmarks and the demo share: a whole Airflow (``stack``), a sandbox in a process of its own, Chromium."""

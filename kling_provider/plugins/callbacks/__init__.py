# SPDX-License-Identifier: Apache-2.0
"""Kling's callbacks: a route of Airflow's API server that wakes the task that waits for a result."""

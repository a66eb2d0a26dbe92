# SPDX-License-Identifier: Apache-2.0
"""Kling's HTTP API as plain data: no I/O, no Airflow."""

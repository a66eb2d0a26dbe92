# SPDX-License-Identifier: Apache-2.0
"""The fault suite: everything that can die, dies, on a real Airflow; then the tasks at Kling are counted.

``python -m tests.faults`` plays all, ``python -m tests.faults concurrency`` measures the queue below the concurrency limit.
"""

# SPDX-License-Identifier: Apache-2.0
"""The command line: ``airflow kling …`` on Airflow 3.3, ``python -m kling_provider …`` everywhere."""

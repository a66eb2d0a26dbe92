# SPDX-License-Identifier: Apache-2.0
"""The name that Airflow derives from this distribution: where it looks for the example Dags. The code is ``kling_provider``."""

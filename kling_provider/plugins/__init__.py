# SPDX-License-Identifier: Apache-2.0
"""What Airflow's UI shows: the gallery of videos."""

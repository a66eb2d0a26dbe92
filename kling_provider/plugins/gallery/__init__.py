# SPDX-License-Identifier: Apache-2.0
"""The gallery's web app: reads of Airflow's metadata database, files from allowed folders, and the browser's part."""

# SPDX-License-Identifier: Apache-2.0
"""Apache Airflow provider for Kling AI (可灵): videos, images, sound and speech."""

__all__ = ["__version__"]

__version__ = "0.1.0"

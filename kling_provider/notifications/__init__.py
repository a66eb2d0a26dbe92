# SPDX-License-Identifier: Apache-2.0
"""The notifier, for callbacks of tasks and Dags."""

# SPDX-License-Identifier: Apache-2.0
"""What ``make demo`` and ``make up`` run: a whole Airflow and the sandbox. The tests stand on the same."""

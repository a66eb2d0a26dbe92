# SPDX-License-Identifier: Apache-2.0
"""``python -m kling_provider``: the commands of ``airflow kling``, also where Airflow does not know them (before 3.3)."""

import sys

from kling_provider.cli.commands import main

if __name__ == "__main__":
    sys.exit(main())

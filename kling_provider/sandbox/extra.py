# SPDX-License-Identifier: Apache-2.0
"""What the sandbox needs beyond Airflow: the libraries that draw and encode its videos."""

from __future__ import annotations

from importlib.util import find_spec

_INSTALL = "pip install 'airflow-provider-kling[sandbox]'"
_NEEDED = {"av": "PyAV", "PIL": "Pillow"}


class MissingExtra(RuntimeError):
    """A library that draws videos is not installed."""


def require_extra() -> None:
    """Find out before the first task, not at its download, whether videos can be made.

    :raises MissingExtra: with what to install.
    """
    missing = [name for module, name in _NEEDED.items() if find_spec(module) is None]
    if missing:
        raise MissingExtra(
            f"The sandbox makes real videos with {' and '.join(_NEEDED.values())}, and {' and '.join(missing)} "
            f"must be installed for it: {_INSTALL} (from a clone: pip install '.[sandbox]')."
        )

# SPDX-License-Identifier: Apache-2.0
"""HTTP with Kling; :mod:`.kling` is where users import the hooks from."""

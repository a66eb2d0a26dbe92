# SPDX-License-Identifier: Apache-2.0
"""The operators; :mod:`.kling` is where users import them from."""

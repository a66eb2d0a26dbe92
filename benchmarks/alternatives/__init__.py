# SPDX-License-Identifier: Apache-2.0
"""Operators and triggers of what the provider is measured beside. Nobody should use them."""

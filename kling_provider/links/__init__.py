# SPDX-License-Identifier: Apache-2.0
"""The links on task instances."""

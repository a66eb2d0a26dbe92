# SPDX-License-Identifier: Apache-2.0
"""The kinds of request that a sandbox takes."""

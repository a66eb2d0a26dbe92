# SPDX-License-Identifier: Apache-2.0
"""What each path does."""

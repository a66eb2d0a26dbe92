# SPDX-License-Identifier: Apache-2.0
"""The forms of text that prompt files have. Each module reads one, and knows no files."""

# SPDX-License-Identifier: Apache-2.0
"""Code that runs on a worker.

Operators and sensors import it when a task runs, because importing it would slow the parsing of every Dag file. Start at
:mod:`.runs`.
"""

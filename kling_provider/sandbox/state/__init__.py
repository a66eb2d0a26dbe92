# SPDX-License-Identifier: Apache-2.0
"""What a sandbox knows: accounts, tasks, its clock, the rules of faults, the log of requests."""

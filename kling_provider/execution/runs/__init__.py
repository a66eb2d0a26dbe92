# SPDX-License-Identifier: Apache-2.0
"""What one try of a task instance does, a module per operator. The operator imports it when the task runs."""

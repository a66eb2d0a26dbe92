# SPDX-License-Identifier: Apache-2.0
"""HTTP itself: the socket, requests and responses as plain data, Kling's errors. Knows nothing of tasks."""

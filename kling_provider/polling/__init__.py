# SPDX-License-Identifier: Apache-2.0
"""Waiting for a video, and in the queue of an account at its concurrency limit.

The first is :mod:`.wait_state` and :mod:`.poller`, the second :mod:`.queue` and :mod:`.queue_poller`.

``wait_state``, ``queue`` and ``capacity`` decide, without I/O. ``poller`` and ``queue_poller`` read, once for all tasks
that wait in one event loop on one connection; they import aiohttp, so inside a running loop import them in a thread.
"""

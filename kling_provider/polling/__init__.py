# SPDX-License-Identifier: Apache-2.0
"""Waiting: for a video (:mod:`.wait_state`, :mod:`.poller`) and below the concurrency limit (:mod:`.queue`,
:mod:`.queue_poller`).

``wait_state``, ``queue`` and ``capacity`` decide, without I/O. ``poller`` and ``queue_poller`` read, once for all tasks
that wait in one event loop on one connection; they import aiohttp, so inside a running loop import them in a thread.
"""

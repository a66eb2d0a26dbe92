# SPDX-License-Identifier: Apache-2.0
"""Waiting: for a video (:mod:`.watch`, :mod:`.poller`) and for a free slot (:mod:`.slots`, :mod:`.desk`).

``watch`` and ``slots`` decide, without I/O. ``poller`` and ``desk`` read, once for all who wait in one event
loop on one connection; they import aiohttp, so inside a running loop import them in a thread.
"""

# SPDX-License-Identifier: Apache-2.0
"""Wait for Kling tasks to finish, and queue tasks while an account is at its concurrency limit.

Triggers call :mod:`.waiting`. :mod:`.wait_state`, :mod:`.queue` and :mod:`.capacity` decide, without I/O. :mod:`.poller` and
:mod:`.queue_poller` read, once for all tasks of one event loop and connection; :mod:`.shared_hook` gives them the hook,
:mod:`.clock` the time.

Importing ``waiting``, ``poller``, ``queue_poller`` or ``shared_hook`` loads aiohttp, so inside a running event loop import
them in a thread.
"""

# SPDX-License-Identifier: Apache-2.0
"""A local stand-in for Kling's HTTP API, with real MP4s, real limits and faults on demand.

It is an independent reading of Kling's contract: it imports nothing of the rest of this package, and nothing
of the rest imports it, so that one misunderstanding cannot stand on both sides of a test.

``python -m kling_provider.sandbox`` starts it from the command line; :class:`Sandbox` starts it inside a process.
"""

from kling_provider.sandbox.sandbox import Sandbox

__all__ = ["Sandbox"]

# SPDX-License-Identifier: Apache-2.0
"""Kling's contract as data (``endpoints.yaml``), and every rule of it as a request just inside and just outside."""

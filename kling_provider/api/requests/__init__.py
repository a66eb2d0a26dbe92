# SPDX-License-Identifier: Apache-2.0
"""What a user asks for: a class per request type, checked before money is spent.

One vocabulary for both API designs: the standard API's names, plus what only the legacy API has. The rows that say where
a type is sent, what it costs and what it makes are in :mod:`kling_provider.api.catalog`.
"""

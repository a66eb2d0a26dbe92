# SPDX-License-Identifier: Apache-2.0
"""The kinds of request that a sandbox takes, a module for each."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Sequence

from kling_provider.sandbox.products.base import Product
from kling_provider.sandbox.products.outputs import (
    Link,
    RenderedOutput,
    build_image_output,
    build_sound_output,
    build_video_output,
)

__all__ = [
    "Link",
    "Product",
    "RenderedOutput",
    "build_image_output",
    "build_sound_output",
    "build_video_output",
    "find_products",
]


def find_products() -> Sequence[Product]:
    """Return one of each kind: of every class in a module of this package that has a path of its own."""
    found: dict[str, Product] = {}
    for module in sorted(pkgutil.iter_modules(__path__), key=lambda module: module.name):
        for kind in vars(importlib.import_module(f"{__name__}.{module.name}")).values():
            if (
                isinstance(kind, type)
                and issubclass(kind, Product)
                and (kind.standard_path or kind.legacy_path)
            ):
                found[kind.name] = kind()
    return list(found.values())

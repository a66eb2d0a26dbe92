# SPDX-License-Identifier: Apache-2.0
"""Voices and elements that an account's own tasks made, and presets that everybody has.

Nothing holds them but their tasks: an entry is an output of a task that succeeded and that nobody deleted. So it outlives a
restart as the tasks do, and an entry stays when reads have forgotten its task.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, Literal

from kling_provider.sandbox.http.errors import InvalidParameter
from kling_provider.sandbox.products.base import Product
from kling_provider.sandbox.products.derived import DerivedProduct
from kling_provider.sandbox.products.library import Library
from kling_provider.sandbox.state.tasks import CreateRequest, Task

EntryKind = Literal["voice", "element"]
KLING = "kling"
"""Who owns the presets."""
_PRESETS_SINCE = 1_767_225_600.0
"""Epoch seconds at which all presets were there: the beginning of 2026."""


@dataclass(frozen=True, kw_only=True)
class LibraryEntry:
    """One voice or one element."""

    kind: EntryKind
    id: str
    name: str
    task: Task
    is_character: bool = False
    """An element from a video, a *video character*; else it is one of several images."""
    is_deletable: bool = True

    @property
    def is_deleted(self) -> bool:
        """Tell whether its account deleted it."""
        return self.id in self.task.deleted_ids


class LibraryProduct(DerivedProduct):
    """A kind whose outputs stay in the account's library."""

    has_watermark = False
    presets_path: ClassVar[str]
    """Where its presets are listed."""
    delete_paths: ClassVar[tuple[str, ...]] = ()
    """Where entries are deleted, by ``{kind}_id``."""
    kind: ClassVar[EntryKind]

    def list_entries(self, task: Task) -> Sequence[LibraryEntry]:
        """Return what a task has put into the library, deleted or not."""
        raise NotImplementedError

    @cached_property
    def presets(self) -> Sequence[Task]:
        """Return the tasks of the presets, as lists show them."""
        return self.list_presets()

    def list_presets(self) -> Sequence[Task]:
        """Make the tasks of the presets."""
        raise NotImplementedError

    def build_preset(self, number: int, name: str, /, **settings: Any) -> Task:
        """Build the task of a preset.

        :param number: that of its ids; the task's comes first, those of the outputs follow.
        """
        request = CreateRequest(
            dialect="legacy",
            product=self.name,
            model=self.name,
            model_name=self.name,
            prompt=name,
            settings=settings,
            output_count=2,
        )
        return Task(
            id=str(number),
            output_ids=[str(number + 1), str(number + 2)],
            account=KLING,
            request=request,
            created=_PRESETS_SINCE,
            starts=_PRESETS_SINCE,
            ends=_PRESETS_SINCE,
            settled=True,
        )


def find_preset(products: Iterable[Product], task_id: str) -> Task | None:
    """Return the task of a preset of any kind."""
    return next((task for task in _list_presets(products) if task.id == task_id), None)


def find_entry(library: Library, kind: EntryKind, entry_id: str) -> LibraryEntry | None:
    """Return an entry that an account can name: a preset, or one of its own that it did not delete."""
    tasks = [*_list_presets(library.products.values()), *library.list_tasks(*_name_products(library))]
    for entry in _list_entries(library, tasks):
        if (entry.kind, entry.id) == (kind, entry_id) and not entry.is_deleted:
            return entry
    return None


def find_missing(library: Library, request: CreateRequest) -> str | None:
    """Return Kling's sentence about the first element or voice of a request that is not there."""
    for element_id in request.elements:
        if find_entry(library, "element", element_id) is None:
            return f"Element id not found: {element_id}"  # observed
    for voice_id in request.voices:
        if find_entry(library, "voice", voice_id) is None:
            return f"Voice id not found: {voice_id}"
    return None


def fail_for_missing(library: Library, request: CreateRequest) -> CreateRequest:
    """Let generation fail for an element or a voice that is not there, as was observed for elements."""
    missing = find_missing(library, request)
    if missing is None or request.failure_message is not None:
        return request
    return replace(request, failure_message=missing)


def find_deletable(library: Library, kind: EntryKind, entry_id: str) -> LibraryEntry:
    """Return an entry that the account made, deleted or not.

    :raises InvalidParameter: there is none.
    """
    for entry in _list_entries(library, library.list_tasks(*_name_products(library))):
        if (entry.kind, entry.id) == (kind, entry_id) and entry.is_deletable:
            return entry
    raise InvalidParameter(f"{kind.title()} id not found: {entry_id}")


def _name_products(library: Library) -> Sequence[str]:
    return [product.name for product in library.products.values() if isinstance(product, LibraryProduct)]


def _list_presets(products: Iterable[Product]) -> Iterator[Task]:
    for product in products:
        if isinstance(product, LibraryProduct):
            yield from product.presets


def _list_entries(library: Library, tasks: Iterable[Task]) -> Iterator[LibraryEntry]:
    for task in tasks:
        product = library.products[task.request.product]
        if isinstance(product, LibraryProduct):
            yield from product.list_entries(task)

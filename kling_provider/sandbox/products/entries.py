# SPDX-License-Identifier: Apache-2.0
"""The library of an account: voices and elements that its own tasks made, and presets that everybody has.

It holds nothing itself: an entry is an output of a task that succeeded and that nobody deleted. So it outlives a
restart as the tasks do, and an entry stays when reads have forgotten its task.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from kling_provider.sandbox.http.errors import InvalidParameter
from kling_provider.sandbox.products.base import Product
from kling_provider.sandbox.state.accounts import SandboxAccount
from kling_provider.sandbox.state.backend import Backend
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


class LibraryProduct(Product):
    """A kind whose outputs stay in the account's library."""

    presets_path: ClassVar[str]
    """Where its presets are listed."""
    delete_paths: ClassVar[tuple[str, ...]] = ()
    """Where entries are deleted, by ``{kind}_id``."""
    kind: ClassVar[EntryKind]

    def list_entries(self, task: Task) -> Sequence[LibraryEntry]:
        """Return what a task has put into the library, deleted or not."""
        raise NotImplementedError

    def list_presets(self) -> Sequence[Task]:
        """Return the tasks of the presets, as lists show them."""
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


class Library:
    """The libraries of all accounts of a sandbox."""

    def __init__(self, backend: Backend, products: Iterable[Product]) -> None:
        self._backend = backend
        self._products = {
            product.name: product for product in products if isinstance(product, LibraryProduct)
        }
        self._presets = {
            task.id: task for product in self._products.values() for task in product.list_presets()
        }

    def get_preset(self, task_id: str) -> Task | None:
        """Return the task of a preset."""
        return self._presets.get(task_id)

    def list_presets(self, product: LibraryProduct) -> Sequence[Task]:
        """Return the tasks of a kind's presets."""
        return [task for task in self._presets.values() if task.request.product == product.name]

    def list_made(self, product: LibraryProduct, account: SandboxAccount) -> Sequence[Task]:
        """Return the account's tasks of a kind that succeeded, newest first, those that reads forgot as well."""
        now = self._backend.settle_tasks()
        return [
            task
            for task in reversed(self._backend.all())
            if (task.account, task.request.product) == (account.name, product.name)
            and task.get_state(now) == "succeeded"
        ]

    def list_entries(self, account: SandboxAccount, *, presets: bool = True) -> Sequence[LibraryEntry]:
        """Return what the account can name or could name before it was deleted."""
        tasks = list(self._presets.values()) if presets else []
        for product in self._products.values():
            tasks += self.list_made(product, account)
        return [entry for task in tasks for entry in self._products[task.request.product].list_entries(task)]

    def delete_entry(self, product: LibraryProduct, account: SandboxAccount, entry_id: str) -> Task:
        """Delete an entry that the account made; return the task that made it.

        :raises InvalidParameter: there is none, or it was deleted before (1201).
        """
        own = self.list_entries(account, presets=False)
        for entry in own:
            if (entry.kind, entry.id) == (product.kind, entry_id) and entry.is_deletable:
                if not self._backend.delete_output(entry.task, entry_id):
                    # the words "already be deleted" were observed
                    raise InvalidParameter(f"{product.kind.title()} {entry_id} may already be deleted")
                return entry.task
        raise InvalidParameter(f"{product.kind.title()} id not found: {entry_id}")


class AccountLibrary:
    """What one account can name."""

    def __init__(self, library: Library, account: SandboxAccount) -> None:
        self._library = library
        self.account = account

    def find_entry(self, kind: EntryKind, entry_id: str) -> LibraryEntry | None:
        """Return an entry that is there."""
        for entry in self._library.list_entries(self.account):
            if (entry.kind, entry.id) == (kind, entry_id) and not entry.is_deleted:
                return entry
        return None

    def find_missing(self, request: CreateRequest) -> str | None:
        """Return Kling's sentence about the first element or voice of a request that is not there."""
        for element_id in request.elements:
            if self.find_entry("element", element_id) is None:
                return f"Element id not found: {element_id}"  # observed
        for voice_id in request.voices:
            if self.find_entry("voice", voice_id) is None:
                return f"Voice id not found: {voice_id}"
        return None

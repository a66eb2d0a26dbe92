# SPDX-License-Identifier: Apache-2.0
"""Voices and elements beyond their tasks: lists of presets, the list of old elements, deletions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from kling_provider.sandbox.endpoints.base import Endpoint
from kling_provider.sandbox.endpoints.legacy import LegacyList
from kling_provider.sandbox.http.errors import InvalidParameter
from kling_provider.sandbox.http.fields import Fields
from kling_provider.sandbox.http.messages import Request, Response, build_success
from kling_provider.sandbox.products.derived import read_required
from kling_provider.sandbox.products.entries import LibraryProduct, find_deletable
from kling_provider.sandbox.state.accounts import SandboxAccount
from kling_provider.sandbox.state.tasks import Task

if TYPE_CHECKING:
    from kling_provider.sandbox.app import App


class LibraryList(LegacyList):
    """``GET {create path}`` of a kind without tasks to read: all that is in the account's library."""

    product: LibraryProduct

    def list_tasks(self, account: SandboxAccount) -> Sequence[Task]:
        """Return what the account made, newest first."""
        return list(self.app.open_library(account).list_tasks(self.product.name))


class PresetList(LegacyList):
    """``GET {presets path}?pageNum=&pageSize=``: what everybody can name."""

    product: LibraryProduct

    def list_tasks(self, account: SandboxAccount) -> Sequence[Task]:
        """Return the presets, always in the same order."""
        return self.product.presets


class LibraryDeletion(Endpoint):
    """``POST {delete path}`` with the id of an entry that the account made."""

    accepts_tokens = True

    def __init__(self, app: App, request: Request, route: str, *, product: LibraryProduct) -> None:
        super().__init__(app, request, route)
        self.product = product

    def run_operation(self) -> Response:
        """Delete the entry; the answer names the task that had made it (a choice).

        :raises ApiError: there is no such entry, or it was deleted before (1201).
        """
        account = self.authenticate_caller()
        entry_id = read_required(Fields(self.request.parse_json()), f"{self.product.kind}_id")
        entry = find_deletable(self.app.open_library(account), self.product.kind, entry_id)
        if not self.app.backend.delete_output(entry.task, entry.id):
            # the words "already be deleted" were observed
            raise InvalidParameter(f"{entry.kind.title()} {entry.id} may already be deleted")
        return build_success({"task_id": entry.task.id, "task_status": "succeed"})

# SPDX-License-Identifier: Apache-2.0
"""Methods of both hooks for what the account keeps: its library of voices and elements, and its ledgers of deductions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from kling_provider.api import library
from kling_provider.hooks import account_operations as operations
from kling_provider.hooks.argument_checks import check_id

if TYPE_CHECKING:
    from kling_provider.api.calls import ApiRequest
    from kling_provider.api.codes import ApiResponse
    from kling_provider.api.ledgers import BalanceDeduction, UnitDeduction
    from kling_provider.api.library import LibraryElement, LibraryVoice
    from kling_provider.hooks.connection import KlingConnection
    from kling_provider.hooks.drivers import Operation, Result


class AccountMethods(ABC):
    """What :class:`~kling_provider.hooks.kling.KlingHook` offers."""

    def list_voices(self, *, presets: bool = False, max_pages: int | None = None) -> list[LibraryVoice]:
        """List the account's own voices, or those that Kling offers to all.

        :param presets: list Kling's.
        :param max_pages: the number of calls to stop after, 500 entries each; default: at the end of the list.
        :returns: the voices; a ``trial_url`` is signed, so do not log it.
        :raises KlingRequestError: where the host has no library: gateways have none.
        :raises KlingServerError: where the list does not end.
        """
        return self._run_for_account(partial(operations.list_voices, presets=presets, max_pages=max_pages))

    def list_elements(
        self, *, presets: bool = False, old: bool = False, max_pages: int | None = None
    ) -> list[LibraryElement]:
        """List the account's own elements, or those that Kling offers to all.

        :param presets: list Kling's.
        :param old: list those of the older library, of type ``custom_element_old``; it is not known whether Kling still
            serves it.
        :param max_pages: the number of calls to stop after, 500 entries each; default: at the end of the list.
        :raises KlingRequestError: where the host has no library: gateways have none.
        :raises KlingServerError: where the list does not end.
        """
        return self._run_for_account(
            partial(operations.list_elements, presets=presets, old=old, max_pages=max_pages)
        )

    def delete_voice(self, voice_id: str) -> bool:
        """Delete one of the account's own voices, in one call that is never repeated.

        :param voice_id: the id of the voice; the task that made it has another one.
        :returns: ``True`` where this call deleted it, ``False`` where it was deleted before.
        :raises KlingError: where Kling refuses; after an ambiguous answer the text says that it may be deleted.
        """
        checked = check_id(voice_id, "voice_id")
        return self._delete(library.delete_voice(checked), f"voice {checked}")

    def delete_element(self, element_id: str) -> bool:
        """Delete one of the account's own elements, in one call that is never repeated.

        :param element_id: the id of the element; the task that made it has another one.
        :returns: ``True`` where this call deleted it, ``False`` where it was deleted before.
        :raises KlingError: where Kling refuses; after an ambiguous answer the text says that it may be deleted.
        """
        checked = check_id(element_id, "element_id")
        return self._delete(library.delete_element(checked), f"element {checked}")

    def list_unit_deductions(
        self,
        since: datetime,
        until: datetime | None = None,
        *,
        api_key_names: Sequence[str] = (),
        product_types: Sequence[str] = (),
        package_names: Sequence[str] = (),
        package_ids: Sequence[str] = (),
        max_pages: int | None = None,
    ) -> list[UnitDeduction]:
        """List the units that were taken from the account's packs, task by task.

        :param since: the start of the window; without a time zone it is local time.
        :param until: the end of the window; default: now.
        :param api_key_names: only what these API keys asked for, by their names in Kling's console.
        :param product_types: only from packs of these types: ``video``, ``image``, ``try_on``.
        :param package_names: only from packs of these names.
        :param package_ids: only from packs of these ids; not beside ``package_names``.
        :param max_pages: the number of calls to stop after, 500 entries each; default: at the end of the list.
        :raises KlingRequestError: where the host has no ledger: gateways have none.
        :raises KlingServerError: where the list does not end.
        """
        return self._run_for_account(
            partial(
                operations.list_unit_deductions,
                since=since,
                until=until,
                api_key_names=api_key_names,
                product_types=product_types,
                package_names=package_names,
                package_ids=package_ids,
                max_pages=max_pages,
            )
        )

    def list_balance_deductions(
        self,
        since: datetime,
        until: datetime | None = None,
        *,
        api_key_names: Sequence[str] = (),
        max_pages: int | None = None,
    ) -> list[BalanceDeduction]:
        """List the money that was taken from the account's balance, task by task.

        :param since: the start of the window; without a time zone it is local time.
        :param until: the end of the window; default: now.
        :param api_key_names: only what these API keys asked for, by their names in Kling's console.
        :param max_pages: the number of calls to stop after, 500 entries each; default: at the end of the list.
        :raises KlingRequestError: where the host has no ledger: gateways have none.
        :raises KlingServerError: where the list does not end.
        """
        return self._run_for_account(
            partial(
                operations.list_balance_deductions,
                since=since,
                until=until,
                api_key_names=api_key_names,
                max_pages=max_pages,
            )
        )

    def _delete(self, call: ApiRequest, what: str) -> bool:
        return self._change_account(call, partial(operations.parse_deleted, what=what))

    @abstractmethod
    def _run_for_account(self, make: Callable[[KlingConnection], Operation[Result]]) -> Result:
        """Run the operation that ``make`` makes for the hook's connection."""

    @abstractmethod
    def _change_account(
        self, call: ApiRequest, parse: Callable[[KlingConnection, ApiResponse], Result]
    ) -> Result:
        """Send a call that changes the account, once, and return what ``parse`` makes of the answer."""


class AsyncAccountMethods(ABC):
    """What :class:`~kling_provider.hooks.asynchronous.KlingAsyncHook` offers of them: the reads."""

    async def list_voices(self, *, presets: bool = False, max_pages: int | None = None) -> list[LibraryVoice]:
        """List the account's own voices, or those that Kling offers to all.

        :param presets: list Kling's.
        :param max_pages: the number of calls to stop after, 500 entries each; default: at the end of the list.
        :returns: the voices; a ``trial_url`` is signed, so do not log it.
        :raises KlingRequestError: where the host has no library: gateways have none.
        :raises KlingServerError: where the list does not end.
        """
        return await self._run_for_account(
            partial(operations.list_voices, presets=presets, max_pages=max_pages)
        )

    async def list_elements(
        self, *, presets: bool = False, old: bool = False, max_pages: int | None = None
    ) -> list[LibraryElement]:
        """List the account's own elements, or those that Kling offers to all.

        :param presets: list Kling's.
        :param old: list those of the older library, of type ``custom_element_old``; it is not known whether Kling still
            serves it.
        :param max_pages: the number of calls to stop after, 500 entries each; default: at the end of the list.
        :raises KlingRequestError: where the host has no library: gateways have none.
        :raises KlingServerError: where the list does not end.
        """
        return await self._run_for_account(
            partial(operations.list_elements, presets=presets, old=old, max_pages=max_pages)
        )

    async def list_unit_deductions(
        self,
        since: datetime,
        until: datetime | None = None,
        *,
        api_key_names: Sequence[str] = (),
        product_types: Sequence[str] = (),
        package_names: Sequence[str] = (),
        package_ids: Sequence[str] = (),
        max_pages: int | None = None,
    ) -> list[UnitDeduction]:
        """List the units that were taken from the account's packs, task by task.

        :param since: the start of the window; without a time zone it is local time.
        :param until: the end of the window; default: now.
        :param api_key_names: only what these API keys asked for, by their names in Kling's console.
        :param product_types: only from packs of these types: ``video``, ``image``, ``try_on``.
        :param package_names: only from packs of these names.
        :param package_ids: only from packs of these ids; not beside ``package_names``.
        :param max_pages: the number of calls to stop after, 500 entries each; default: at the end of the list.
        :raises KlingRequestError: where the host has no ledger: gateways have none.
        :raises KlingServerError: where the list does not end.
        """
        return await self._run_for_account(
            partial(
                operations.list_unit_deductions,
                since=since,
                until=until,
                api_key_names=api_key_names,
                product_types=product_types,
                package_names=package_names,
                package_ids=package_ids,
                max_pages=max_pages,
            )
        )

    async def list_balance_deductions(
        self,
        since: datetime,
        until: datetime | None = None,
        *,
        api_key_names: Sequence[str] = (),
        max_pages: int | None = None,
    ) -> list[BalanceDeduction]:
        """List the money that was taken from the account's balance, task by task.

        :param since: the start of the window; without a time zone it is local time.
        :param until: the end of the window; default: now.
        :param api_key_names: only what these API keys asked for, by their names in Kling's console.
        :param max_pages: the number of calls to stop after, 500 entries each; default: at the end of the list.
        :raises KlingRequestError: where the host has no ledger: gateways have none.
        :raises KlingServerError: where the list does not end.
        """
        return await self._run_for_account(
            partial(
                operations.list_balance_deductions,
                since=since,
                until=until,
                api_key_names=api_key_names,
                max_pages=max_pages,
            )
        )

    @abstractmethod
    async def _run_for_account(self, make: Callable[[KlingConnection], Operation[Result]]) -> Result:
        """Run the operation that ``make`` makes for the hook's connection."""

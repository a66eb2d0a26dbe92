# SPDX-License-Identifier: Apache-2.0
"""``KlingHook``: Kling's API for operators, and for people who write their own tasks.

On providers-http's ``HttpHook``, so its proxies, TLS settings and header extras work. ``KlingAsyncHook``
(aiohttp, reads only) is offered here too, and imported when it is asked for.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, TypeVar

from airflow.providers.common.compat.sdk import Connection
from airflow.providers.http.hooks.http import HttpHook
from requests import Session

from kling_provider.api.account import Pack, units_left
from kling_provider.api.calls import HttpCall
from kling_provider.api.codes import Answer, TaskState
from kling_provider.api.dialects import standard
from kling_provider.api.dialects.reading import UnreadableTask, parse_task
from kling_provider.api.models import legacy_name, nearest_current
from kling_provider.api.parsing import parse_request
from kling_provider.api.problems import InvalidRequest
from kling_provider.api.requests.base import KlingRequest
from kling_provider.api.values import impossible_characters
from kling_provider.exceptions import (
    KlingError,
    KlingRateLimitError,
    KlingRequestError,
    KlingServerError,
    KlingTaskNotFound,
    error_for,
)
from kling_provider.hooks import reads
from kling_provider.hooks.connection import KlingConnection, read_connection
from kling_provider.hooks.form import connection_form_widgets, ui_field_behaviour
from kling_provider.hooks.transport import PreparedCall, prepare, send
from kling_provider.hooks.wire import split_extras

if TYPE_CHECKING:
    from kling_provider.api.tasks import KlingTask
    from kling_provider.hooks.asynchronous import KlingAsyncHook as KlingAsyncHook

Parsed = TypeVar("Parsed")

#: Reads are tried so often, with growing pauses, before a fault is passed on.
_READ_TRIES = 5


class KlingHook(HttpHook):
    """Calls Kling.

    :param kling_conn_id: the connection, of type ``kling``.
    """

    conn_name_attr = "kling_conn_id"
    default_conn_name = "kling_default"
    conn_type = "kling"
    hook_name = "Kling"

    def __init__(self, kling_conn_id: str = default_conn_name) -> None:
        super().__init__(http_conn_id=kling_conn_id)
        self.kling_conn_id = kling_conn_id

    # The form of Airflow 3.1; later ones read the same from provider info without importing this module.
    get_connection_form_widgets = staticmethod(connection_form_widgets)
    get_ui_field_behaviour = staticmethod(ui_field_behaviour)

    @cached_property
    def connection(self) -> KlingConnection:
        """What the connection means."""
        return KlingConnection.parse(read_connection(self.kling_conn_id))

    @classmethod
    def get_connection(cls, conn_id: str) -> Connection:
        """The connection as ``HttpHook`` may see it: an address and its own extras.

        No login (it would become Basic auth), no password, none of our extras (it would send them as
        headers), and all others in the one form that it takes: text as header values, a mapping as proxies.
        """
        ours = KlingConnection.parse(read_connection(conn_id))
        options = split_extras(ours.http_extras)
        extra = {
            "proxies": options.proxies or {},
            "verify": options.verify,
            "cert": options.cert,
            "timeout": (options.connect_timeout, options.read_timeout),
            "trust_env": options.trust_env,
        }
        return Connection(
            conn_id=conn_id,
            conn_type="http",
            host=ours.base_url,
            extra=json.dumps({**extra, **options.headers}),
        )

    # -- requests -------------------------------------------------------------------------------------------

    def request(self, data: Mapping[str, Any] | KlingRequest) -> KlingRequest:
        """Check a request, also against what this connection's API design would drop silently.

        :raises KlingRequestError: with every problem; nothing was sent.
        """
        try:
            request = parse_request(data)
            problems = [
                *impossible_characters(request.model_dump()),
                *request.find_text_for_nothing(),
                *self.connection.find_unsupported(request),
            ]
            if problems:
                raise InvalidRequest(problems)
        except InvalidRequest as invalid:
            raise KlingRequestError(
                f"The request is wrong, nothing was sent: {invalid}", problems=invalid.problems
            ) from None
        return request

    def submit(self, request: Mapping[str, Any] | KlingRequest, *, external_task_id: str | None) -> KlingTask:
        """One paid call. Images are addresses or base64 here.

        It is sent once and never repeated: after an error with ``task_state`` ``may_exist`` look the id up
        with :meth:`find` before you send again. ``KlingSubmitOperator`` does all of that for you.

        :param external_task_id: Kling refuses a second task with the same id (where the model has a lock).
        :raises KlingError: by Kling's error table.
        """
        prepared = self.prepare_create(self.request(request), external_task_id=external_task_id)
        answer, task = self.create(prepared)
        if task is None or not answer.ok:
            raise error_for(answer, f"create a video at {self.connection.host}", creating=True)
        return task

    def prepare_create(self, request: KlingRequest, *, external_task_id: str | None) -> PreparedCall:
        """Make the paid call ready: address, headers, body, proxy, certificates, time-outs. Sends nothing.

        :raises KlingError: where it cannot be made; after this only the network can fail it.
        """
        profile = self.connection.profile
        if external_task_id and not profile.external_ids:
            self.log.warning("The external_task_id is not sent: %s.", profile.dropped_ids)
            external_task_id = None
        call = self.connection.dialect.create(request, external_task_id)
        session = self.get_conn()
        try:
            prepared = prepare(session, self.connection, call)
        except KlingError as why:
            raise why.with_context(suffix=" Nothing was sent. Nothing was made, nothing is billed.") from None
        model = legacy_name(request.model) if self.connection.api == "legacy" else request.model
        return replace(prepared, model=model)

    def create(self, prepared: PreparedCall) -> tuple[Answer, KlingTask | None]:
        """The paid call as data: the answer, and the task where it names one. Never raises for an answer.

        An answer that leaves doubt may name one, too: it is for people, who can look for it.
        """
        try:
            answer = send(prepared)
        finally:
            # The next call opens its own: a kept-alive connection that died leaves doubt where there is none.
            prepared.session.close()
        if prepared.model and answer.is_about_model:
            near = nearest_current(prepared.model)
            text = f"{answer.message}; the model asked for is {prepared.model}, the nearest current one is {near}"
            answer = replace(answer, message=text)
        if answer.task_state is TaskState.NONE:
            return answer, None
        try:
            return answer, parse_task(answer.data, lax_words=self.connection.profile.lax_words)
        except UnreadableTask:
            return answer, None

    # -- reads ----------------------------------------------------------------------------------------------

    def get_task(self, kling_task_id: str, *, type: str = "text_to_video") -> KlingTask:
        """One task.

        :param type: the kind of request that made it (legacy reads are bound to a path).
        :raises KlingTaskNotFound: where the host does not know it.
        """
        call = reads.call_to_read(self.connection, type, kling_task_id)
        return self._read(
            call,
            lambda answer: reads.read_one(self.connection, answer, kling_task_id),
        )

    def get_tasks(
        self, kling_task_ids: Sequence[str], *, type: str = "text_to_video"
    ) -> dict[str, KlingTask]:
        """Many tasks by id, 20 in a call; ids that Kling does not know are missing."""
        found: dict[str, KlingTask] = {}
        alone = reads.word_list(kling_task_ids, "kling_task_ids")
        if self.connection.profile.task_reads:
            groups, alone = _groups(alone), []
            for group in groups:
                doing = f"read {len(group)} tasks at {self.connection.host}"
                read = partial(reads.read_batch, self.connection, kling_task_ids=group, doing=doing)
                batch, complete = self._read(standard.read_tasks(group), read)
                found |= batch
                alone += [] if complete else [one for one in group if one not in batch]
        for one in alone:
            with suppress(KlingTaskNotFound):
                found[one] = self.get_task(one, type=type)
        return found

    def find(
        self, external_task_ids: Sequence[str], *, type: str = "text_to_video"
    ) -> dict[str, list[KlingTask]]:
        """Tasks by external id; ids that Kling does not know are missing.

        :raises KlingRequestError: where the host cannot look external ids up.
        """
        self._needs(self.connection.profile.finds, "finds no tasks by external id")
        external_task_ids = reads.word_list(external_task_ids, "external_task_ids")
        found: dict[str, list[KlingTask]] = {}
        batches = self.connection.profile.task_reads
        for group in _groups(external_task_ids) if batches else [[one] for one in external_task_ids]:
            call = (
                standard.find_tasks(group) if batches else reads.call_to_find(self.connection, type, group[0])
            )
            doing = (
                f"look {', '.join(group[:2])}{' …' if len(group) > 2 else ''} up at {self.connection.host}"
            )
            found |= self._read(
                call, partial(reads.read_found, self.connection, external_task_ids=group, doing=doing)
            )
        return found

    def list_tasks(
        self,
        since: datetime | None = None,
        until: datetime | None = None,
        status: Sequence[str] = (),
        *,
        product_types: Sequence[str] = (),
        max_pages: int | None = None,
    ) -> list[KlingTask]:
        """List the account's tasks of a window (default: Kling's, the last 30 days), 500 per call.

        :param status: only these words: ``submitted``, ``processing``, ``succeeded``, ``failed``.
        :param product_types: only these: ``video``, ``image``, ``try_on``.
        :param max_pages: stop after so many pages; default: at the end.
        :raises KlingRequestError: where the host or the credential has no list.
        :raises KlingServerError: where the list has no end.
        """
        self._needs(
            self.connection.profile.task_reads, "lists no tasks (a list needs Kling itself and an API key)"
        )
        status = reads.word_list(status, "status", reads.STATUS_WORDS)
        product_types = reads.word_list(product_types, "product_types", reads.PRODUCT_TYPES)
        found: dict[str, KlingTask] = {}
        pages = reads.Pages(self.connection, max_pages)
        while pages.more:
            call = standard.list_tasks(
                since, until, statuses=status, product_types=product_types, cursor=pages.cursor
            )
            found |= {task.kling_task_id: task for task in self._read(call, pages.read)}
        return list(found.values())

    def account(self) -> tuple[Pack, ...]:
        """The account's resource packs (units; the remaining ones may lag).

        :raises KlingRequestError: where the host has no such read.
        """
        self._needs(self.connection.profile.account, "does not tell what the account has")
        now = datetime.now(UTC)
        call = standard.account_costs(now - timedelta(days=365), now + timedelta(days=1))
        # Kling allows one such read a second for the whole account (1302). It is for information: no outage is waited
        # out for it.
        doing = f"read the account at {self.connection.host}"
        return self._read(call, lambda a: reads.read_account(a, doing), after=(KlingRateLimitError,))

    def test_connection(self) -> tuple[bool, str]:
        """A free read, and in words what is wrong."""
        try:
            return self._test()
        except KlingError as error:
            return False, str(error)

    # -- within ---------------------------------------------------------------------------------------------

    def _test(self) -> tuple[bool, str]:
        connection = self.connection
        host = f"{connection.host} ({connection.api} API, profile {connection.profile.name})"
        if connection.profile.task_reads:
            call = standard.read_tasks(["0"])
        else:
            call = connection.dialect.read("text_to_video", "0")
        answer = self._answer(call)
        envelope = answer.code is not None
        if not answer.ok and not (answer.not_found and envelope):
            raise error_for(answer, f"read from {host}")
        if not connection.profile.account:
            return True, f"{host} answers and takes the key."
        try:
            left = units_left(self.account())
        except KlingError as error:
            return False, str(error)
        return True, f"{host} takes the key; the account has {left.normalize():f} video units left."

    def _needs(self, able: bool, cannot: str) -> None:
        if not able:
            raise KlingRequestError(f"{self.connection.host} {cannot}.")

    def _read(
        self,
        call: HttpCall,
        parse: Callable[[Answer], Parsed],
        *,
        after: tuple[type[KlingError], ...] = (KlingServerError, KlingRateLimitError),
    ) -> Parsed:
        """A read, tried again after faults of the server or the way: it costs nothing."""
        from tenacity import (
            Retrying,
            retry_if_exception_type,
            stop_after_attempt,
            wait_exponential,
            wait_random,
        )

        retrying = Retrying(
            stop=stop_after_attempt(_READ_TRIES),
            wait=wait_exponential(max=15) + wait_random(max=1),
            retry=retry_if_exception_type(after),
            reraise=True,
        )
        return retrying(lambda: parse(self._answer(call)))

    def _answer(self, call: HttpCall) -> Answer:
        return send(prepare(self._session, self.connection, call))

    @cached_property
    def _session(self) -> Session:
        return self.get_conn()


def _groups(ids: Sequence[str]) -> list[list[str]]:
    unique = list(dict.fromkeys(ids))
    return [unique[start : start + standard.MAX_IDS] for start in range(0, len(unique), standard.MAX_IDS)]


def __getattr__(name: str) -> Any:
    if name == "KlingAsyncHook":
        from kling_provider.hooks.asynchronous import KlingAsyncHook

        return KlingAsyncHook
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

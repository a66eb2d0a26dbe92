# SPDX-License-Identifier: Apache-2.0
"""``KlingHook``: Kling's API for operators, and for people who write their own tasks.

``KlingAsyncHook`` (aiohttp, reads only) is offered here too, and imported when it is asked for.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from enum import Enum
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Literal

from airflow.providers.common.compat.sdk import BaseHook
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential, wait_random

from kling_provider.api.catalog import find_spec, spec_of
from kling_provider.api.codes import ApiResponse, ErrorKind, TaskState
from kling_provider.api.ledgers import BalanceDeduction, UnitDeduction
from kling_provider.api.library import LibraryElement, LibraryVoice
from kling_provider.api.media_limits import find_paths
from kling_provider.api.parsing import parse_request
from kling_provider.api.problems import InvalidRequest
from kling_provider.api.requests.at_once import AnswerRefused
from kling_provider.api.requests.base import KlingRequest
from kling_provider.api.values import find_invalid_characters
from kling_provider.exceptions import KlingError, KlingRequestError
from kling_provider.hooks import operations
from kling_provider.hooks.account_methods import AccountMethods
from kling_provider.hooks.account_operations import check_library
from kling_provider.hooks.connection import KlingConnection, read_connection
from kling_provider.hooks.connection_form import build_connection_form_widgets, build_ui_field_behaviour
from kling_provider.hooks.drivers import drive_sync
from kling_provider.hooks.own_task import check_lone_call, choose_external_id
from kling_provider.hooks.response_errors import build_response_error
from kling_provider.hooks.responses import parse_answered, parse_created
from kling_provider.hooks.transport import PreparedCall, SyncTransport, prepare_call, send_call

if TYPE_CHECKING:
    from kling_provider.api.account import Pack
    from kling_provider.api.calls import ApiRequest
    from kling_provider.api.tasks import KlingTask
    from kling_provider.hooks.asynchronous import KlingAsyncHook as KlingAsyncHook
    from kling_provider.hooks.drivers import Operation, ReadCall, Result

log = logging.getLogger(__name__)

__all__ = [
    "AUTO",
    "Auto",
    "BalanceDeduction",
    "KlingAsyncHook",
    "KlingHook",
    "LibraryElement",
    "LibraryVoice",
    "UnitDeduction",
]

#: Reads are tried so often, with growing pauses, before a fault is passed on.
_READ_TRIES = 5


class Auto(Enum):
    """The default of :meth:`KlingHook.submit`: an external id that is made of the running task."""

    AUTO = "auto"


AUTO: Final = Auto.AUTO


class KlingHook(AccountMethods, BaseHook):
    """Call Kling.

    A free read is tried again after a fault of the host, or of the way to it. A paid call is sent once. Proxies, TLS,
    time-outs and header extras of the connection are those that providers-http's ``HttpHook`` takes.

    What its methods say of Kling is from https://kling.ai/document-api/, unless they say that it was observed. Each raises
    :class:`~kling_provider.exceptions.KlingError`: by Kling's error code, or a
    :class:`~kling_provider.exceptions.KlingServerError` where no readable response came.

    :param kling_conn_id: the id of the connection, of type ``kling``.
    """

    conn_name_attr = "kling_conn_id"
    default_conn_name = "kling_default"
    conn_type = "kling"
    hook_name = "Kling"

    def __init__(self, kling_conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.kling_conn_id = kling_conn_id

    # The form of Airflow 3.1; later ones read the same from provider info without importing this module.
    get_connection_form_widgets = staticmethod(build_connection_form_widgets)
    get_ui_field_behaviour = staticmethod(build_ui_field_behaviour)

    @cached_property
    def connection(self) -> KlingConnection:
        """Return what the Airflow connection means; it is read at the first use."""
        return KlingConnection.parse(read_connection(self.kling_conn_id))

    # -- requests -------------------------------------------------------------------------------------------

    def validate_request(self, data: Mapping[str, Any] | KlingRequest) -> KlingRequest:
        """Check a request, also for what this connection's host or API design would drop silently. Nothing is sent.

        :param data: the request: a mapping, as operators take it, or what this method returned before.
        :raises KlingRequestError: with every problem in ``problems``.
        """
        try:
            request = parse_request(data)
            problems = [
                *find_invalid_characters(request.model_dump()),
                *request.find_rendered_nulls(),
                *self.connection.find_unsupported(request),
            ]
            if problems:
                raise InvalidRequest(problems)
        except InvalidRequest as invalid:
            raise KlingRequestError.of_problems(invalid.problems) from None
        for text in [*request.find_warnings(), *spec_of(request).list_warnings()]:
            log.warning("%s of type %s: %s.", request.name or "A request", request.type, text.rstrip("."))
        return request

    def submit(
        self,
        request: Mapping[str, Any] | KlingRequest,
        *,
        external_task_id: str | Literal[Auto.AUTO] | None = AUTO,
    ) -> KlingTask:
        """Submit ``request`` in one paid call. Inputs must be URLs or base64, and URLs where Kling takes nothing else.

        It is sent once and never repeated. In a task of your own (``@task``) it is still paid once per task instance: by
        default the external id is made of Dag, run, task, map index and request, the host is asked for it first, and a
        retry gets the task that an earlier try made. For another result of the same request in the same task raise
        ``take`` in the request. Where the host has no lock and cannot be asked, and where no Airflow task runs, a warning
        says that a second call pays again; ``KlingSubmitOperator`` stops there instead.

        What Kling answers at once (tts, identify_face, image_recognize and their like) is sent once as well, and comes back
        as a task that has succeeded, with its outputs. Such calls have no external id and no look-up, so a retry of your
        task pays again, and a warning says so: ``KlingGenerateOperator`` keeps the answer and pays once.

        :param request: the request; see :meth:`validate_request`, which checks it first.
        :param external_task_id: your own id, sent as it is: Kling refuses a second task with the same id (where the
            model has a lock). ``None`` sends none.
        :returns: the task as Kling describes it now; it may be one that was made before.
        :raises KlingError: by the error code. After one with ``task_state`` ``may_exist`` a task may have been
            made: look it up with :meth:`find` before you send the request again.
        """
        checked = self.validate_request(request)
        check_lone_call(checked, has_id=isinstance(external_task_id, str))
        if spec_of(checked).is_answered_at_once:
            return self._send_create(checked, None)
        if external_task_id is not AUTO:
            return self._send_create(checked, external_task_id)
        chosen = choose_external_id(self, checked)
        return self._send_create(checked, chosen.external_task_id) if chosen.made is None else chosen.made

    def _send_create(self, request: KlingRequest, external_task_id: str | None) -> KlingTask:
        answer, task = self.create(self.prepare_create(request, external_task_id=external_task_id))
        if task is None or not answer.ok:
            spec = spec_of(request)
            raise build_response_error(
                answer,
                f"create a {spec.noun} at {self.connection.host}",
                creating=True,
                lacks="holds no result" if spec.is_answered_at_once else "names no task",
            )
        return task

    def prepare_create(self, request: KlingRequest, *, external_task_id: str | None) -> PreparedCall:
        """Prepare the paid call: URL, headers, body, proxy, certificates, time-outs. Nothing is sent.

        :param request: the request, as :meth:`validate_request` returns it.
        :param external_task_id: the external id to send; ``None`` sends none, and so does a host that takes none.
        :raises KlingError: where it cannot be made; after this only the network can fail it.
        """
        profile = self.connection.profile
        if problems := find_paths(request, self.connection.find_dialect(request).design):
            raise KlingRequestError.of_problems(problems)
        if external_task_id and not profile.external_ids:
            self.log.warning("The external_task_id is not sent: %s.", profile.no_ids_reason)
            external_task_id = None
        dialect = self.connection.find_dialect(request)
        call = dialect.create(request, external_task_id)
        session = self._transport.open_session()
        try:
            prepared = prepare_call(session, self.connection, call)
        except KlingError as why:
            raise why.with_context(suffix=" Nothing was sent, nothing is billed.") from None
        return replace(
            prepared,
            model=request.name_model(dialect.design),
            nearest_model=request.suggest_model(),
            type=request.type,
        )

    def create(self, prepared: PreparedCall) -> tuple[ApiResponse, KlingTask | None]:
        """Send the paid call, and return the answer, and the task where it names one. Never raise for an answer.

        An ambiguous answer may name a task, too: it is shown to people, who can look for it. For a type that Kling answers at
        once the answer is the result, returned as a task that has ended: its ``kling_task_id`` is the id of the task, where
        Kling names one (tts), else that of the session (identify_face), else the ``request_id`` of the answer
        (image_recognize).

        :param prepared: what :meth:`prepare_create` returned; it can be sent once.
        """
        try:
            answer = send_call(prepared)
        finally:
            # The next call opens its own: on a kept-alive connection that died the outcome would be ambiguous.
            prepared.session.close()
        if prepared.model and answer.is_about_model:
            text = f"{answer.message}; the model asked for is {prepared.model}"
            if prepared.nearest_model:
                text += f", the nearest current one is {prepared.nearest_model}"
            answer = replace(answer, message=text)
        if answer.task_state is TaskState.NONE:
            return answer, None
        spec = find_spec(prepared.type)
        if prepared.type is not None and spec is not None and spec.is_answered_at_once:
            try:
                return answer, parse_answered(self.connection, answer, spec)
            except AnswerRefused as why:
                refused = replace(answer, kind=ErrorKind.INVALID, message=str(why), task_state=TaskState.NONE)
                return refused, None
            except ValueError as why:  # no result, or none that can be read
                return (replace(answer, message=str(why)) if answer.ok else answer), None
        return answer, parse_created(self.connection, answer)

    # -- reads ----------------------------------------------------------------------------------------------

    def get_task(self, kling_task_id: str, *, type: str = "text_to_video") -> KlingTask:
        """Read one task.

        :param kling_task_id: its id at Kling, not an external id.
        :param type: the type of the request that made it; the legacy API needs it for reads.
        :raises KlingTaskNotFound: where the host does not know the id: Kling forgets a task after 30 days.
        :raises KlingRequestError: for an unknown ``type``.
        """
        return self._run_operation(operations.read_task(self.connection, kling_task_id, type))

    def get_tasks(
        self, kling_task_ids: Sequence[str], *, type: str = "text_to_video"
    ) -> dict[str, KlingTask]:
        """Read many tasks, 20 per call where the host can.

        :param kling_task_ids: their ids at Kling; each is read once.
        :param type: the type of the request that made them; the legacy API needs it for reads.
        :returns: the tasks by id; ids that the host does not know are missing.
        :raises KlingRequestError: for one text where a list is meant.
        """
        return self._run_operation(operations.read_tasks(self.connection, kling_task_ids, type))

    def get_batch(
        self, kling_task_ids: Sequence[str], *, type: str = "text_to_video"
    ) -> tuple[dict[str, KlingTask], bool]:
        """Read up to 20 tasks in one call, and tell whether missing ones are unknown.

        Where that is false the answer held an entry that cannot be read: read the missing ones alone.

        :param kling_task_ids: at most 20 ids, which is Kling's limit for one call (observed: it refuses more with 1201).
        :param type: a type of the requests that made them: the solutions are read at a path of their own.
        :returns: the tasks by id, and whether the host does not know the missing ones.
        :raises KlingRequestError: for more ids, and where the host reads one task per call.
        """
        return self._run_operation(operations.read_batch(self.connection, kling_task_ids, type))

    def find(
        self, external_task_ids: Sequence[str], *, type: str = "text_to_video"
    ) -> dict[str, list[KlingTask]]:
        """Find the tasks under each external id.

        :param external_task_ids: the ids that were sent with the requests.
        :param type: the type of the request that made them; the legacy API needs it for reads.
        :returns: the tasks by external id; ids under which the host knows nothing are missing.
        :raises KlingRequestError: where the host cannot look external ids up.
        """
        return self._run_operation(operations.find_tasks(self.connection, external_task_ids, type))

    def list_tasks(
        self,
        since: datetime | None = None,
        until: datetime | None = None,
        *,
        statuses: Sequence[str] = (),
        product_types: Sequence[str] = (),
        max_pages: int | None = None,
        type: str = "text_to_video",
    ) -> list[KlingTask]:
        """List the account's tasks that were made in a window of time, 500 per call.

        :param since: the start of the window; without a time zone it is local time. Default: Kling's, 30 days before
            ``until``.
        :param until: the end of the window; default: Kling's, now.
        :param statuses: only these words: ``submitted``, ``processing``, ``succeeded``, ``failed``.
        :param product_types: only these: ``video``, ``image``, ``try_on``.
        :param max_pages: the number of calls to stop after; default: at the end of the list.
        :param type: any type of the list that is meant: the solutions (``goods_studio`` …) have a list of their own, which
            knows no ``product_types``.
        :raises KlingRequestError: where the host or the credential has no list.
        :raises KlingServerError: where the list does not end.
        """
        return self._run_operation(
            operations.list_tasks(
                self.connection,
                since,
                until,
                statuses=statuses,
                product_types=product_types,
                max_pages=max_pages,
                type=type,
            )
        )

    def list_page(
        self,
        since: datetime | None = None,
        until: datetime | None = None,
        *,
        statuses: Sequence[str] = (),
        cursor: str | None = None,
        type: str = "text_to_video",
    ) -> tuple[list[KlingTask], str | None]:
        """List up to 500 of the account's tasks in one call.

        :param since: the start of the window in which they were made; default: as for :meth:`list_tasks`.
        :param until: the end of the window; default: Kling's, now.
        :param statuses: only these words, as for :meth:`list_tasks`.
        :param cursor: what the page before returned, with the same filters; ``None`` for the first page.
        :param type: any type of the list that is meant.
        :returns: the tasks, and the cursor of the next page; ``None`` at the end.
        :raises KlingRequestError: where the host or the credential has no list.
        """
        return self._run_operation(
            operations.list_page(self.connection, since, until, statuses=statuses, cursor=cursor, type=type)
        )

    def list_tasks_of_type(self, type: str, *, max_pages: int | None = None) -> list[KlingTask]:
        """List the tasks of one type, at its own path of the legacy API, 500 per call. It serves access keys, too.

        :param type: the type of the requests that made them.
        :param max_pages: the number of calls to stop after; default: at the end of the list.
        :raises KlingRequestError: where the host has no such list, and for a type without one: those that only the
            standard API has, and those that Kling answers at once.
        :raises KlingServerError: where the list does not end.
        """
        return self._run_operation(operations.list_tasks_of_type(self.connection, type, max_pages=max_pages))

    def account(self) -> tuple[Pack, ...]:
        """Read the account's resource packs, in units. Kling says that what remains may lag by 12 hours.

        Kling allows one such call per second and account, and refuses more with 1302.

        :raises KlingRequestError: where the host does not tell.
        :raises KlingRateLimitError: where others ask as well.
        """
        return self._run_operation(operations.read_account(self.connection))

    def test_connection(self) -> tuple[bool, str]:
        """Make a free call, and return whether it succeeded, and a text that says what is wrong."""
        try:
            return True, self._run_operation(operations.check_host(self.connection))
        except KlingError as error:
            return False, str(error)

    # -- within ---------------------------------------------------------------------------------------------

    @cached_property
    def _transport(self) -> SyncTransport:
        return SyncTransport(self.connection)

    def _run_operation(self, operation: Operation[Result]) -> Result:
        return drive_sync(operation, self._send_read)

    def _run_for_account(self, make: Callable[[KlingConnection], Operation[Result]]) -> Result:
        return self._run_operation(make(self.connection))

    def _change_account(
        self, call: ApiRequest, parse: Callable[[KlingConnection, ApiResponse], Result]
    ) -> Result:
        check_library(self.connection)
        # As with a paid call: on a kept-alive connection that died the outcome would be ambiguous.
        session = self._transport.open_session()
        try:
            return parse(self.connection, send_call(prepare_call(session, self.connection, call)))
        finally:
            session.close()

    def _send_read(self, read: ReadCall) -> Any:
        """Send a read, and repeat it after faults of the host or of the network: it costs nothing."""
        retrying = Retrying(
            stop=stop_after_attempt(_READ_TRIES),
            wait=wait_exponential(max=15) + wait_random(max=1),
            retry=retry_if_exception_type(read.retry_after),
            reraise=True,
        )
        return retrying(lambda: read.parse(self._transport.send_read(read.call)))


def __getattr__(name: str) -> Any:
    if name == "KlingAsyncHook":
        from kling_provider.hooks.asynchronous import KlingAsyncHook

        return KlingAsyncHook
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

# SPDX-License-Identifier: Apache-2.0
"""What a gateway is: its routes, its ids, and how it wraps what Kling says.

:class:`Gateway` itself is a reseller that passes the native legacy create and read by id on, and nothing else. A further
one says in what it differs; :mod:`kling_provider.sandbox.endpoints.gateways` lists them by ``--shape``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from kling_provider.sandbox.endpoints.create import LegacyCreate
from kling_provider.sandbox.endpoints.legacy import LegacyRead
from kling_provider.sandbox.http.errors import ApiError
from kling_provider.sandbox.http.messages import Request, Response, build_error_response, build_html_page
from kling_provider.sandbox.options import Options
from kling_provider.sandbox.products import Product
from kling_provider.sandbox.state.tasks import Task

if TYPE_CHECKING:
    from kling_provider.sandbox.endpoints.base import Route
    from kling_provider.sandbox.endpoints.gateways.ids import IdForm


class Gateway:
    """A reseller of native bodies and envelopes, with Kling's own ids."""

    also_sells: ClassVar[tuple[str, ...]] = ()
    """Products beside those that every gateway sells."""
    drops_ids: ClassVar[bool] = False
    """External ids and callbacks do not reach Kling."""
    locks_ids: ClassVar[bool] = False
    """An external id can be used once, as the whole body reaches one account at Kling."""
    echoes_ids: ClassVar[bool] = False
    """Answers repeat the external id."""
    finds_external_ids: ClassVar[bool] = False
    """A read takes an external id, too."""
    takes_bare_keys: ClassVar[bool] = False
    """``Authorization: sk-…`` is as good as with the word Bearer."""
    id_form: ClassVar[IdForm | None] = None
    """The form of its public ids; None: Kling's own."""
    looks_every: ClassVar[float | None] = None
    """Seconds of Kling's time between two looks at a task; None: it asks Kling whenever it is asked."""
    gives_up: ClassVar[bool] = False
    """It fails a task by itself, while Kling goes on."""

    def __init__(self, options: Options) -> None:
        self.options = options

    def is_selling(self, product: Product) -> bool:
        """Tell whether it has the product."""
        return product.is_resold or product.name in self.also_sells

    def list_routes(self, products: Iterable[Product]) -> Iterator[Route]:
        """List the routes below the prefix: create and read by id of what is resold; there are no lists."""
        for product in products:
            if self.is_selling(product) and (path := product.legacy_path) is not None:
                yield "POST", path, partial(LegacyCreate, product=product)
                yield "GET", path + "/{id}", partial(LegacyRead, product=product)

    def list_root_routes(self, products: Iterable[Product]) -> Iterator[Route]:
        """List the routes beside the prefix."""
        return iter(())

    def prepare_body(self, body: object) -> object:
        """Return the body that goes on to Kling for that of a legacy create."""
        return body

    def get_public_id(self, task: Task) -> str:
        """Return the id that the gateway answers to."""
        return task.id if self.id_form is None else self.id_form.encode(task.id)

    def get_kling_id(self, asked: str) -> str:
        """Return Kling's id behind a public one; where there is none, a text that matches no task."""
        if self.id_form is None:
            return asked
        return self.id_form.decode(asked) or f"not {asked}"

    def find_last_look(self, task: Task, now: float) -> float:
        """Return when (epoch seconds) it last looked at the task; before its first look, when it was made."""
        if self.looks_every is None:
            return now
        every = self.looks_every / self.options.time_scale
        until = min(now, task.given_up_at) if self.gives_up else now
        return task.created + math.floor((until - task.created) / every) * every

    def build_created(self, task: Task, native: Response) -> Response:
        """Build the answer to a create of Kling's answer to it."""
        return native

    def build_read(self, task: Task, native: Response, now: float, word: str | None = None) -> Response:
        """Build the answer to a read.

        :param native: what Kling said at the gateway's last look.
        :param word: a state in the place of the gateway's own.
        """
        return native

    def build_list(self, tasks: Iterable[Task], native: Response) -> Response:
        """Build the answer to a list, of gateways that have one."""
        return native

    def prepare_callback(self, task: Task, body: dict[str, Any]) -> dict[str, Any]:
        """Return the callback that a customer gets: Kling's own, which comes straight from there."""
        return body

    def build_error(self, error: ApiError, *, read: bool, model: str | None = None) -> Response:
        """Build an error: Kling's own."""
        return build_error_response(error)

    def build_not_found(self, request: Request) -> Response:
        """Build the answer to every path but its own: a page of a proxy."""
        return build_html_page(404, "Not Found")


def build_word_error(status: int, code: str, message: str) -> Response:
    """Build an error of the gateway's code for tasks: a word in the place of Kling's number."""
    return Response(status=status, payload={"code": code, "message": message, "data": None})


def build_openai_error(status: int, message: str, code: str, *, type: str = "new_api_error") -> Response:
    """Build an error as OpenAI's API has it, which is how gateways refuse what never reached Kling."""
    error = {"message": message, "type": type, "param": "", "code": code}
    return Response(status=status, payload={"error": error})


def get_video_url(data: dict[str, Any]) -> str:
    """Return the link of the first video in ``data`` of a legacy read; empty where there is none."""
    videos = data.get("task_result", {}).get("videos") or [{}]
    return str(videos[0].get("url", ""))

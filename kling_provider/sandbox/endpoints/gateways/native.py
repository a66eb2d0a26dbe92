# SPDX-License-Identifier: Apache-2.0
"""Resellers of the native legacy API whose answers differ in a few fields.

``cometapi``: creates have no request id, and the answers of running tasks no ``task_status_msg``; ``task_info`` is empty,
or has a null in it (two pages, 2026).
``kapon``: ids ``task_<ULID>``; the only one known with a list and a look-up by external id.
``xmsmartlink``: ids ``task_…`` beside the envelope, too, times in seconds, ``images: null``, videos with an empty id; the
create of omni-video has nothing but code, message and id.

Whether any of them locks external ids is not known: here none does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

from kling_provider.sandbox.endpoints.base import Route
from kling_provider.sandbox.endpoints.gateways.base import Gateway
from kling_provider.sandbox.endpoints.gateways.ids import PUBLIC, ULID
from kling_provider.sandbox.endpoints.legacy import LegacyList
from kling_provider.sandbox.http.messages import Response
from kling_provider.sandbox.products import Product
from kling_provider.sandbox.products.models import OMNI
from kling_provider.sandbox.state.tasks import Task


class CometApi(Gateway):
    """Native, with a few fields less."""

    also_sells = (OMNI,)

    def build_created(self, task: Task, native: Response) -> Response:
        """Take the request id out."""
        del native.payload["request_id"]
        if task.request.product == OMNI:
            native.payload["data"]["task_info"] = {"external_task_id": None}
        return native

    def build_read(self, task: Task, native: Response, now: float, word: str | None = None) -> Response:
        """Take the reason out where there is none."""
        data = native.payload["data"]
        if not data["task_status_msg"]:
            del data["task_status_msg"]
        return native


class Kapon(Gateway):
    """Native, with ids of its own, and a list."""

    also_sells = (OMNI,)
    id_form = ULID
    echoes_ids = True
    finds_external_ids = True

    def list_routes(self, products: Iterable[Product]) -> Iterator[Route]:
        """List creates, reads and lists."""
        products = list(products)
        yield from super().list_routes(products)
        for product in products:
            if self.is_selling(product) and (path := product.legacy_path) is not None:
                yield "GET", path, partial(LegacyList, product=product)

    def build_created(self, task: Task, native: Response) -> Response:
        """Put its own id in."""
        native.payload["data"]["task_id"] = self.get_public_id(task)
        return native

    def build_read(self, task: Task, native: Response, now: float, word: str | None = None) -> Response:
        """Put its own id in."""
        return self.build_created(task, native)

    def build_list(self, tasks: Iterable[Task], native: Response) -> Response:
        """Put its own ids in."""
        for task, data in zip(tasks, native.payload["data"], strict=True):
            data["task_id"] = self.get_public_id(task)
        return native


class XmSmartLink(Gateway):
    """Native words with other values."""

    also_sells = (OMNI,)
    id_form = PUBLIC

    def build_created(self, task: Task, native: Response) -> Response:
        """Put its own id in twice; for omni-video there is nothing else."""
        public = self.get_public_id(task)
        if task.request.product == OMNI:
            head = {name: native.payload[name] for name in ("code", "message")}
            return Response(payload={**head, "task_id": public})
        return Response(payload=self._change_answer(public, native.payload))

    def build_read(self, task: Task, native: Response, now: float, word: str | None = None) -> Response:
        """Put its own id in twice, and null where there is no list."""
        payload = self._change_answer(self.get_public_id(task), native.payload)
        videos = [{**video, "id": ""} for video in payload["data"]["task_result"].get("videos", [])]
        payload["data"]["task_result"] = {"images": None, "videos": videos or None}
        return Response(payload=payload)

    def _change_answer(self, public: str, payload: dict[str, Any]) -> dict[str, Any]:
        times = {name: payload["data"][name] // 1000 for name in ("created_at", "updated_at")}
        return {**payload, "task_id": public, "data": {**payload["data"], **times, "task_id": public}}

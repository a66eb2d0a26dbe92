# SPDX-License-Identifier: Apache-2.0
"""What a kind of request is: a :class:`Product` says its paths, checks its body, and knows its price and its outputs.

A further kind is one module with one subclass. :mod:`kling_provider.sandbox.products` lists those that every sandbox
takes; ``Sandbox(products=[…])`` adds others to one sandbox.
"""

from __future__ import annotations

import abc
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar

from kling_provider.sandbox.products import answers
from kling_provider.sandbox.products.outputs import Link, RenderedOutput, Sign
from kling_provider.sandbox.state.tasks import CreateRequest, Dialect, Package, Task

if TYPE_CHECKING:
    from kling_provider.sandbox.products.library import Library


class Product(abc.ABC):
    """One kind of request, in the API designs that have a path for it."""

    name: ClassVar[str]
    """What rules of faults and ``/_sandbox/tasks`` call it: ``text-to-video``."""
    standard_path: ClassVar[str | None] = None
    """Its create in the standard design, ``/text-to-video/{model}``; read at ``/tasks``."""
    legacy_path: ClassVar[str | None] = None
    """Its create in the legacy design, ``/v1/videos/text2video``; read and listed below the same path."""
    package: ClassVar[Package] = "video"
    """The packs that pay for it."""
    product_type: ClassVar[str] = "video"
    """What the filter of ``POST /tasks`` calls it: ``video``, ``image``, ``try_on``."""
    answered_at_once: ClassVar[bool] = False
    """The answer to the create has the outputs; there is nothing to read or to list."""
    page_limit: ClassVar[int] = 500
    """The largest page of its list in the legacy design."""
    calls_back_at_end_only: ClassVar[bool] = False
    """There is no callback when a task begins to be processed."""
    is_solution: ClassVar[bool] = False
    """What its standard path makes is read and listed at ``/solutions``, not at ``/tasks``."""
    read_by_external_id: ClassVar[bool] = True
    """Its reads in the legacy design take an external id, too."""
    is_resold: ClassVar[bool] = False
    """Gateways have it, too."""

    @abc.abstractmethod
    def check_body(self, dialect: Dialect, body: object, *, model: str, lenient: bool) -> CreateRequest:
        """Check a body as the create does.

        :param model: the model of a standard path; empty where the path has none.
        :param lenient: as resellers do it: retired models go on, whole numbers may be numbers.
        :raises ApiError: Kling refuses it, and nothing is made.
        """

    def resolve_inputs(self, request: CreateRequest, library: Library) -> CreateRequest:
        """Look up what the body names by ids and URLs, and keep it in the settings; default: there is nothing.

        :raises ApiError: Kling refuses it, and nothing is made.
        """
        return request

    def complete_request(self, request: CreateRequest, library: Library) -> CreateRequest:
        """Add to a checked request what only its account knows, and the price that follows from it.

        :raises ApiError: Kling refuses it, and nothing is made.
        """
        request = self.resolve_inputs(request, library)
        fault = request.failure_message or library.find_image_fault(request.image)
        request = replace(request, failure_message=fault)
        price = Decimal(0) if request.failure_message else self.compute_price(request)
        return replace(
            request,
            price=price,
            output_count=self.count_outputs(request),
            places=self.count_places(request),
        )

    @abc.abstractmethod
    def compute_price(self, request: CreateRequest) -> Decimal:
        """Return the units that a success costs."""

    @abc.abstractmethod
    def list_outputs(self, task: Task) -> Sequence[RenderedOutput]:
        """Return what a task has made, from the task alone; ``task.output_ids`` has the ids for it."""

    def count_outputs(self, request: CreateRequest) -> int:
        """Return how many ids the outputs need."""
        return 1

    def count_places(self, request: CreateRequest) -> int:
        """Return how many tasks it counts as for the concurrency limit: images count one by one (documented)."""
        return 1

    def summarize_settings(self, request: CreateRequest) -> str:
        """Return the settings in a few words, for people."""
        return ""

    def read_request(
        self, dialect: Dialect, body: object, *, model: str = "", lenient: bool = False
    ) -> CreateRequest:
        """Check a body and add what the product itself decides: price, packs, number of outputs.

        :raises ApiError: Kling refuses it, and nothing is made.
        """
        request = self.check_body(dialect, body, model=model, lenient=lenient)
        return replace(
            request,
            product=self.name,
            package=self.package,
            price=Decimal(0) if request.failure_message else self.compute_price(request),
            output_count=self.count_outputs(request),
            places=self.count_places(request),
            answered_at_once=self.answered_at_once,
        )

    def describe_usage(self, request: CreateRequest) -> dict[str, str | bool]:
        """Return the fields of a ledger that a request has: ``resolution``, ``duration``, ``video_sound``, and so on."""
        return {}

    def find_link(self, task: Task, name: str) -> Link | None:
        """Return the file of a task that has this name."""
        return next((link for link in self.list_links(task) if link.name == name), None)

    def list_links(self, task: Task) -> list[Link]:
        """Return the files of a task: those of its outputs, and others that its answers have links to."""
        outputs = [link for output in self.list_outputs(task) for link in output.list_links()]
        return [*outputs, *self.list_other_links(task)]

    def list_other_links(self, task: Task) -> Sequence[Link]:
        """Return the files that answers have links to, and that are no outputs; default: there are none."""
        return ()

    def describe_create(self, task: Task, dialect: Dialect, sign: Sign, *, echo: bool) -> dict[str, Any]:
        """Return ``data`` of the answer to a create.

        :param echo: whether the answer repeats the external id.
        """
        if self.answered_at_once:
            return self.describe_task(task, dialect, task.ends, sign, echo=echo)
        if dialect == "standard":
            return answers.describe_standard_create(task, echo=echo)
        return answers.describe_legacy_create(task, echo=echo)

    def describe_task(
        self, task: Task, dialect: Dialect, now: float, sign: Sign, *, echo: bool, status: str | None = None
    ) -> dict[str, Any]:
        """Return the task as reads and lists of a design describe it; ``GET /tasks`` reads those of both.

        :param status: a word in the place of the task's own state.
        """
        describe = answers.describe_standard_task if dialect == "standard" else answers.describe_legacy_task
        return describe(task, self.list_outputs(task), now, sign, echo=echo, status=status)

    def get_state_word(self, task: Task, now: float) -> str | None:
        """Return the kind's own word for a state, which its filter of lists uses as well; None: the design's."""
        return None

    def trim_listed(self, data: dict[str, Any]) -> dict[str, Any]:
        """Return a task of the legacy design as a list has it; default: as a read does."""
        return data

    def describe_callback(self, task: Task, now: float, sign: Sign) -> dict[str, Any]:
        """Return the body of a callback."""
        if task.request.dialect == "standard":
            return self.describe_task(task, "standard", now, sign, echo=True)
        return answers.describe_legacy_callback(task, self.list_outputs(task), now, sign)

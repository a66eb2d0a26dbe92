# SPDX-License-Identifier: Apache-2.0
"""One sandbox without its socket: what every request is answered, and the faults around it."""

from __future__ import annotations

import hashlib
import math
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

from kling_provider.sandbox.endpoints import control, fault_answers
from kling_provider.sandbox.endpoints.base import Endpoint
from kling_provider.sandbox.endpoints.gateways import open_gateway
from kling_provider.sandbox.endpoints.routes import Router
from kling_provider.sandbox.http.errors import ApiError
from kling_provider.sandbox.http.guard import refuse_stranger
from kling_provider.sandbox.http.messages import Request, Response
from kling_provider.sandbox.media.derived import DerivedFile
from kling_provider.sandbox.media.files import MediaFile
from kling_provider.sandbox.media.inputs import InputImage
from kling_provider.sandbox.media.links import Signer
from kling_provider.sandbox.media.sources import Source
from kling_provider.sandbox.media.store import MediaStore
from kling_provider.sandbox.options import Options
from kling_provider.sandbox.products import Product, find_products
from kling_provider.sandbox.products.entries import KLING, find_preset
from kling_provider.sandbox.products.library import Library
from kling_provider.sandbox.state.accounts import SandboxAccount
from kling_provider.sandbox.state.auth import Authenticator
from kling_provider.sandbox.state.backend import Backend
from kling_provider.sandbox.state.callbacks import CallbackSender
from kling_provider.sandbox.state.clock import Clock
from kling_provider.sandbox.state.faults import Faults
from kling_provider.sandbox.state.journal import Journal
from kling_provider.sandbox.state.request_log import RequestLog
from kling_provider.sandbox.state.tasks import LINK_LIFE, Task, to_milliseconds


class App:
    """State and rules of one sandbox; :meth:`answer_request` may be called from many threads.

    :param products: kinds of requests beside those that every sandbox takes.
    :raises ValueError: ``state_dir`` is another sandbox's, holds something else, or tasks of an unknown kind.
    """

    def __init__(self, options: Options, products: Iterable[Product] = ()) -> None:
        self.options = options
        self.products: dict[str, Product] = {}
        for product in (*find_products(), *products):
            if product.name in self.products:
                raise ValueError(f"two products are called {product.name}")
            self.products[product.name] = product
        self.journal = Journal(options.state_dir)
        unknown = {task.request.product for task in self.journal.tasks} - set(self.products)
        if unknown:
            self.journal.close_file()
            raise ValueError(
                f"{options.state_dir} holds tasks of {', '.join(sorted(unknown))}, which this sandbox does not take"
            )
        clock = Clock()
        clock.advance_by(self.journal.ahead)
        self.backend = Backend(options, clock, self.journal)
        self.media = MediaStore(
            options.state_dir,
            limit=options.media_cache_mb * 1024 * 1024,
            short_side=options.short_side,
            find_file=self.find_source_file,
            find_image=self.find_image_file,
        )
        self.faults = Faults(options.seed)
        self.request_log = RequestLog()
        self.gateway = open_gateway(options)
        """None: it is Kling itself."""
        self.signer = Signer(self.journal.secret)
        self.authenticator = Authenticator(
            self.backend.accounts,
            region=options.region,
            open_gateway=self.gateway is not None and options.api_key is None,
            takes_bare_keys=self.gateway is not None and self.gateway.takes_bare_keys,
        )
        self.url = ""
        """Set by the server: ``http://127.0.0.1:43121``."""
        self.close_port: Callable[[float], None] = lambda seconds: None
        """Set by the server: refuse connections for so many seconds."""
        self.callback_sender = CallbackSender(
            clock=lambda: self.backend.clock(),
            describe=self._describe_callback,
            count=self.request_log.count_callback,
            secret=options.webhook_secret,
        )
        self.router = Router(self)
        self._account_reads: dict[str, float] = {}
        self._account_lock = threading.Lock()

    def get_wire_time(self) -> float:
        """Return the time (epoch seconds) that the host believes it is, for Date headers and tokens."""
        now = self.backend.clock()
        rule = self.faults.find_standing("skewed_clock", {}, now)
        return now + (float(rule["seconds"]) if rule else 0.0)

    def find_task(self, task_id: str) -> Task | None:
        """Return a task of any account, or that of a preset; None for an unknown id."""
        return self.backend.get_task(task_id) or find_preset(self.products.values(), task_id)

    def get_product(self, task: Task) -> Product:
        """Return the kind of a task."""
        return self.products[task.request.product]

    def is_solution(self, task: Task) -> bool:
        """Tell whether a task is read and listed at ``/solutions``, not at ``/tasks``."""
        return task.request.dialect == "standard" and self.get_product(task).is_solution

    def find_source_file(self, source: Source) -> tuple[str, MediaFile | DerivedFile]:
        """Return the name in the store and the maker of the file that a source stands for."""
        task = self.backend.get_task(source.task_id) if source.task_id else None
        link = self.get_product(task).find_link(task, source.file) if task is not None else None
        if task is not None and link is not None:
            return f"{task.id}-{link.name}", link.media
        media = source.build_stand_in()
        digest = hashlib.sha256(repr(source).encode()).hexdigest()[:20]
        return f"source-{digest}{media.file_suffix}", media

    def find_image_file(self, image: InputImage) -> tuple[str, MediaFile | DerivedFile] | None:
        """Return the same of an image that is an image of a task; None for any other."""
        task_id, name = image.own_file or ("", "")
        task = self.backend.get_task(task_id)
        link = self.get_product(task).find_link(task, name) if task is not None else None
        if task is None or link is None or not link.media.content_type.startswith("image/"):
            return None
        return f"{task.id}-{link.name}", link.media

    def open_library(self, account: SandboxAccount) -> Library:
        """Return what the requests of an account may name."""
        return Library(
            account, backend=self.backend, products=self.products, check_link=self.signer.check_link
        )

    def sign_url(self, task: Task, name: str, *, base: str, expires: int | None = None) -> str:
        """Return the signed URL of a task's file.

        :param expires: when the link dies (epoch seconds); default: when Kling's would.
        """
        until = expires
        if until is None and task.account == KLING:  # presets are as fresh as the answer that names them
            until = math.floor(self.backend.clock()) + LINK_LIFE
        if until is None:
            until = task.links_expire_at
        return self.signer.sign_path(base, f"/files/{task.id}/{name}", expires=until)

    def _describe_callback(self, task: Task, moment: float) -> dict[str, Any]:
        def sign_file(task: Task, name: str) -> str:
            return self.sign_url(task, name, base=self.url)

        body = self.get_product(task).describe_callback(task, moment, sign_file)
        return body if self.gateway is None else self.gateway.prepare_callback(task, body)

    def answer_request(self, request: Request) -> Response:
        """Answer one request, for the API, for media, or for the controls."""
        if (refused := refuse_stranger(self.options, request)) is not None:
            return refused
        if request.path == "/" or request.path.startswith("/_sandbox/"):
            return control.answer_control(self, request)
        time.sleep(self.options.latency)
        return self.router.answer_request(request)

    def get_base_url(self, request: Request) -> str:
        """Return where links point: the URL by which the caller reached us."""
        host = request.get_header("Host")
        return f"http://{host}" if host else self.url

    def throttle_account(self, name: str) -> None:
        """Refuse reads of ``/account/costs`` above the documented rate.

        :raises ApiError: 1302; that it is this code is not recorded.
        """
        if self.options.account_qps <= 0:
            return
        now = self.backend.clock()
        with self._account_lock:
            if now - self._account_reads.get(name, 0.0) < 1 / self.options.account_qps:
                raise ApiError(1302)
            self._account_reads[name] = now

    def reset_state(self) -> None:
        """Forget tasks, counts and rules, and fill the packs, as if freshly started. Keys and options stay."""
        self.faults.replace_rules([], self.backend.clock())
        self.backend.clear_tasks()
        self.request_log.clear_counts()
        self.media.clear_files()
        with self._account_lock:
            self._account_reads.clear()

    def build_stats(self) -> dict[str, object]:
        """Build the answer of ``GET /_sandbox/stats``."""
        return {
            "now": to_milliseconds(self.backend.clock()),
            **self.request_log.build_figures(),
            **self.backend.build_figures(),
            "files_rendered": self.media.rendered,
        }

    def resume_tasks(self) -> None:
        """Go on with the tasks of before; called when the URL is known."""
        for task in self.backend.list_running():
            self.watch_task(task)

    def watch_task(self, task: Task) -> None:
        """Send the callbacks of a task from now on."""
        self.callback_sender.watch_task(task, at_end_only=self.get_product(task).calls_back_at_end_only)

    def shut_down(self) -> None:
        """Stop the callbacks, remove the rendered files and close the journal."""
        self.callback_sender.stop_sending()
        self.media.remove_folder()
        self.journal.close_file()

    def handle_endpoint(self, endpoint: Endpoint) -> Response:
        """Do the work of one API request, with what the faults add, and note it."""
        received = self.backend.clock()
        answer = (
            self._run_with_faults(endpoint, received)
            if self.faults.has_rules
            else self._run_without_faults(endpoint)
        )
        self.request_log.record_request(
            endpoint.request, answer, endpoint.note, received_ms=to_milliseconds(received)
        )
        return answer

    def _run_without_faults(self, endpoint: Endpoint) -> Response:
        """Run the endpoint alone, with no rule in force."""
        if endpoint.operation == "create":
            endpoint.list_subjects()  # fills the note
        return self._run_endpoint(endpoint)

    def _run_endpoint(self, endpoint: Endpoint) -> Response:
        """Run the endpoint; an :class:`ApiError` becomes the response that Kling or a gateway gives."""
        try:
            answer = endpoint.run_operation()
            endpoint.note.code = 0
        except ApiError as error:
            endpoint.note.code = error.code
            if "already exists" in error.message:
                endpoint.note.word = "duplicate"
            return endpoint.build_refusal(error)
        return answer

    def _run_with_faults(self, endpoint: Endpoint, now: float) -> Response:
        """Run the endpoint with what the rules in force do before it, in its place and to its response."""
        subjects, operation = endpoint.list_subjects(), endpoint.operation
        before, delay = self.faults.draw_rule("before", operation, subjects, now)
        if before is not None:
            endpoint.note.fault = before.name
            answer = fault_answers.build_fault_response(self, before, endpoint)
            answer.delay = delay
            return answer
        time.sleep(delay)  # the work itself is late
        if operation == "create":
            answer = self._run_endpoint(endpoint)
            after, late = self.faults.draw_rule(
                "after", operation, subjects, now, slow_only=endpoint.note.task_id is None
            )
        else:
            after, late = self.faults.draw_rule("after", operation, subjects, now)
            endpoint.rule = after
            answer = self._run_endpoint(endpoint)
        if after is not None:
            endpoint.note.fault = after.name
            answer = fault_answers.apply_fault(after, answer, endpoint)
        elif late or delay:
            endpoint.note.fault = "slow"
        answer.delay = late
        return answer

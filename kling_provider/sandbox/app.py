# SPDX-License-Identifier: Apache-2.0
"""One sandbox without its socket: what every request is answered, and the faults around it."""

from __future__ import annotations

import gzip
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

from kling_provider.sandbox.endpoints import control, gateway
from kling_provider.sandbox.endpoints.base import Endpoint
from kling_provider.sandbox.endpoints.routes import Router
from kling_provider.sandbox.http.errors import ApiError
from kling_provider.sandbox.http.guard import refuse_stranger
from kling_provider.sandbox.http.messages import Request, Response, error_response, html
from kling_provider.sandbox.media.links import Signer
from kling_provider.sandbox.media.store import MediaStore
from kling_provider.sandbox.options import Options
from kling_provider.sandbox.products import Product, find_products
from kling_provider.sandbox.state.auth import Authenticator
from kling_provider.sandbox.state.backend import Backend
from kling_provider.sandbox.state.callbacks import CallbackSender
from kling_provider.sandbox.state.clock import Clock
from kling_provider.sandbox.state.faults import Faults, Rule
from kling_provider.sandbox.state.journal import Journal
from kling_provider.sandbox.state.request_log import RequestLog
from kling_provider.sandbox.state.tasks import Task, milliseconds


class App:
    """
    State and rules of one sandbox; :meth:`answer` may be called from many threads.

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
            self.journal.close()
            raise ValueError(
                f"{options.state_dir} holds tasks of {', '.join(sorted(unknown))}, which this sandbox does not take"
            )
        clock = Clock()
        clock.advance(self.journal.ahead)
        self.backend = Backend(options, clock, self.journal)
        self.media = MediaStore(
            options.state_dir, limit=options.media_cache_mb * 1024 * 1024, short_side=options.short_side
        )
        self.faults = Faults(options.seed)
        self.request_log = RequestLog()
        self.signer = Signer(self.journal.secret)
        self.authenticator = Authenticator(
            self.backend.accounts,
            region=options.region,
            open_gateway=options.gateway and options.api_key is None,
        )
        self.url = ""
        """Set by the server: ``http://127.0.0.1:43121``."""
        self.close_port: Callable[[float], None] = lambda seconds: None
        """Set by the server: refuse connections for so many seconds."""
        self.callback_sender = CallbackSender(
            clock=lambda: self.backend.clock(),
            describe=self._describe_callback,
            count=self.request_log.callback,
            secret=options.webhook_secret,
        )
        self.router = Router(self)
        self._account_reads: dict[str, float] = {}
        self._account_lock = threading.Lock()

    def clock_on_wire(self) -> float:
        """The time that the host believes it is, for its Date header and the check of tokens."""
        now = self.backend.clock()
        rule = self.faults.standing("skewed_clock", {}, now)
        return now + (float(rule["seconds"]) if rule else 0.0)

    def product_of(self, task: Task) -> Product:
        """Return the kind of a task."""
        return self.products[task.request.product]

    def sign(self, task: Task, name: str, *, base: str, expires: int | None = None) -> str:
        """
        Return the signed URL of a task's file.

        :param expires: when the link dies (epoch seconds); default: when Kling's would.
        """
        until = task.expires if expires is None else expires
        return self.signer.sign(base, f"/files/{task.id}/{name}", expires=until)

    def _describe_callback(self, task: Task, moment: float) -> dict[str, Any]:
        def sign(task: Task, name: str) -> str:
            return self.sign(task, name, base=self.url)

        return self.product_of(task).describe_callback(task, moment, sign)

    def answer(self, request: Request) -> Response:
        """Answer one request, for the API, for media, or for the controls."""
        if (refused := refuse_stranger(self.options, request)) is not None:
            return refused
        if request.path == "/" or request.path.startswith("/_sandbox/"):
            return control.answer(self, request)
        time.sleep(self.options.latency)
        return self.router.answer(request)

    def base(self, request: Request) -> str:
        """Return where links point: the URL by which the caller reached us."""
        host = request.header("Host")
        return f"http://{host}" if host else self.url

    def throttle_account(self, name: str) -> None:
        """The documented limit of ``/account/costs``; that the refusal is a 1302 is not recorded."""
        if self.options.account_qps <= 0:
            return
        now = self.backend.clock()
        with self._account_lock:
            if now - self._account_reads.get(name, 0.0) < 1 / self.options.account_qps:
                raise ApiError(1302)
            self._account_reads[name] = now

    def reset(self) -> None:
        """As freshly started: no tasks, no counts, no rules, full packs. Keys and options stay."""
        self.faults.replace([], self.backend.clock())
        self.backend.clear()
        self.request_log.clear()
        self.media.clear()
        with self._account_lock:
            self._account_reads.clear()

    def stats(self) -> dict[str, object]:
        """What ``GET /_sandbox/stats`` answers."""
        return {
            "now": milliseconds(self.backend.clock()),
            **self.request_log.figures(),
            **self.backend.figures(),
            "files_rendered": self.media.rendered,
        }

    def resume(self) -> None:
        """Go on with the tasks of before; called when the address is known."""
        for task in self.backend.running():
            self.callback_sender.watch(task)

    def close(self) -> None:
        self.callback_sender.close()
        self.media.close()
        self.journal.close()

    def handle(self, endpoint: Endpoint) -> Response:
        """Do the work of one API request, with what the faults add, and note it."""
        received = self.backend.clock()
        answer = self._faulty(endpoint, received) if self.faults.armed else self._plain(endpoint)
        self.request_log.record(endpoint.request, answer, endpoint.note, received_ms=milliseconds(received))
        return answer

    def _plain(self, endpoint: Endpoint) -> Response:
        if endpoint.operation == "create":
            endpoint.subjects()  # fills the note
        return self._run(endpoint)

    def _run(self, endpoint: Endpoint) -> Response:
        try:
            answer = endpoint.run()
            endpoint.note.code = 0
        except ApiError as error:
            endpoint.note.code = error.code
            if "already exists" in error.message:
                endpoint.note.word = "duplicate"
            if self.options.gateway:
                return self._refused(endpoint, error)
            return error_response(error)
        return answer

    def _refused(self, endpoint: Endpoint, error: ApiError) -> Response:
        return gateway.build_error(
            self.options, error, read=endpoint.operation == "read", model=endpoint.note.model
        )

    def _faulty(self, endpoint: Endpoint, now: float) -> Response:
        subjects, operation = endpoint.subjects(), endpoint.operation
        before, delay = self.faults.draw("before", operation, subjects, now)
        if before is not None:
            endpoint.note.fault = before.name
            answer = self._instead(before, endpoint)
            answer.delay = delay
            return answer
        time.sleep(delay)  # the work itself is late
        if operation == "create":
            answer = self._run(endpoint)
            after, late = self.faults.draw(
                "after", operation, subjects, now, slow_only=endpoint.note.task_id is None
            )
        else:
            after, late = self.faults.draw("after", operation, subjects, now)
            endpoint.rule = after
            answer = self._run(endpoint)
        if after is not None:
            endpoint.note.fault = after.name
            answer = self._changed(answer, after)
        elif late or delay:
            endpoint.note.fault = "slow"
        answer.delay = late
        return answer

    def _instead(self, rule: Rule, endpoint: Endpoint) -> Response:
        """What a fault answers in the place of the endpoint."""
        codes = {"rate_limited": 1302, "concurrency": 1303, "arrears": 1101, "exhausted": 1102}
        if rule.name == "answer_lost_before":
            return Response(drop=True)
        if rule.name in ("html_502", "status_408", "outage"):
            return self._proxy_page(rule)
        if rule.name == "answer":
            return _given(rule)
        if rule.name == "redirect":
            location = rule["location"] or f"{self.url}/_sandbox/redirected"
            answer = html(int(rule["status"]), "Moved")
            answer.headers.append(("Location", str(location)))
            return answer
        code = codes.get(rule.name) or int(rule["code"])
        error = ApiError(code, rule.parameters.get("message"))
        return _with_retry_after(
            self._refused(endpoint, error) if self.options.gateway else error_response(error), rule
        )

    def _proxy_page(self, rule: Rule) -> Response:
        if rule.name == "status_408":
            return html(408, "Request Time-out")
        status = int(rule["status"])
        return _with_retry_after(html(status, {503: "Service Unavailable"}.get(status, "Bad Gateway")), rule)

    def _changed(self, answer: Response, rule: Rule) -> Response:
        """What a fault makes of the answer to work that was done."""
        if rule.name == "answer_lost_after":
            return Response(drop=True)
        if rule.name == "answer":
            return _given(rule)
        if rule.name in ("answer_cut", "cut_download"):
            answer.cut = float(rule["at"])
        elif rule.name == "drip":
            answer.drip, answer.drip_head = float(rule["seconds"]), bool(rule["head"])
        elif rule.name == "flood":
            return _flooded(answer, rule)
        elif rule.name == "error_after":
            return error_response(ApiError(int(rule["code"])))
        elif rule.name in ("html_502", "status_408"):
            return self._proxy_page(rule)
        elif rule.name == "missing_id":
            data = answer.payload.get("data", answer.payload)
            for key in ("id", "task_id"):
                data.pop(key, None)
        elif rule.name == "wrong_code_shape" and isinstance(answer.payload, dict):
            answer.payload["code"] = rule["code"]
        return answer


def _flooded(answer: Response, rule: Rule) -> Response:
    """The same JSON with blanks before its end, which mean nothing."""
    content = answer.content()
    body = content[:-1] + b" " * int(float(rule["megabytes"]) * 1024**2) + content[-1:]
    if rule["gzip"]:
        body = gzip.compress(body, compresslevel=1)
        answer.headers.append(("Content-Encoding", "gzip"))
    answer.payload, answer.body = None, body
    return answer


def _given(rule: Rule) -> Response:
    """The answer that the rule itself holds."""
    body, headers = rule["body"], [(str(name), str(value)) for name, value in rule["headers"].items()]
    answer = Response(status=int(rule["status"]))
    if isinstance(body, str):
        answer.body, answer.content_type = body.encode(), "text/plain; charset=utf-8"
    else:
        answer.payload = body
    for name, value in headers:
        if name.lower() == "content-type":
            answer.content_type = value
        else:
            answer.headers.append((name, value))
    return answer


def _with_retry_after(answer: Response, rule: Rule) -> Response:
    seconds = rule.parameters.get("retry_after")
    if seconds is not None:
        answer.headers.append(("Retry-After", str(seconds)))
    return answer

# SPDX-License-Identifier: Apache-2.0
"""A sandbox that runs inside this process, on a free port."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Any, ClassVar, Self

from kling_provider.sandbox.app import App
from kling_provider.sandbox.endpoints import control
from kling_provider.sandbox.extra import require_extra
from kling_provider.sandbox.http.server import Server
from kling_provider.sandbox.options import Options
from kling_provider.sandbox.products import Product
from kling_provider.sandbox.state.backend import Backend


class Sandbox:
    """Run a sandbox in background threads for as long as the ``with`` block lasts.

    ::

        with Sandbox(time_scale=100, units=50) as sandbox:
            requests.get(f"{sandbox.url}/tasks?task_ids=0", headers={"Authorization": f"Bearer {sandbox.api_key}"})

    Keyword arguments are those of the command line with underscores, see :class:`~.options.Options`.

    :param products: kinds of requests beside those that every sandbox takes, see :mod:`~.products.base`.
    """

    defaults: ClassVar[dict[str, Any]] = {}
    """Options of every sandbox of this process that does not say otherwise, for tests."""

    def __init__(self, *, products: Sequence[Product] = (), **options: Any) -> None:
        self._products = products
        self.options = Options(**{**self.defaults, **options})
        self._app: App | None = None
        self._server: Server | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> Self:
        """Start to listen.

        :raises MissingExtra: what draws videos is not installed.
        :raises ValueError: ``state_dir`` is another sandbox's, or holds something else.
        :raises OSError: the port is taken.
        """
        require_extra()
        self._app = App(self.options, self._products)
        try:
            self._server = Server(
                self.options.host,
                self.options.port,
                answer=self._app.answer_request,
                clock=self._app.get_wire_time,
            )
        except BaseException:
            self._app.shut_down()
            raise
        self._app.url = self._server.url
        self._app.close_port = self._server.close_port
        self._app.resume_tasks()
        self._thread = threading.Thread(
            target=self._server.serve_until_stopped, name="kling-sandbox", daemon=True
        )
        self._thread.start()
        if self.options.port_file is not None:
            self.options.port_file.write_text(self.url + "\n")
        return self

    def stop(self) -> None:
        """Stop, and forget the tasks unless ``state_dir`` keeps them; a second call does nothing."""
        if self._server is None or self._thread is None:
            return
        self._server.stop_serving()
        self._thread.join()
        self.app.shut_down()
        self._server = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def app(self) -> App:
        """Return what answers the requests.

        :raises RuntimeError: the sandbox is not started.
        """
        if self._app is None:
            raise RuntimeError("the sandbox is not started")
        return self._app

    @property
    def backend(self) -> Backend:
        """Return accounts and tasks."""
        return self.app.backend

    @property
    def url(self) -> str:
        """Return ``http://127.0.0.1:43121``, without the prefix of a gateway."""
        return self.app.url

    @property
    def base_url(self) -> str:
        """Return :attr:`url` with the prefix of a gateway: what belongs into a connection."""
        return self.app.url + self.options.path_prefix

    @property
    def api_key(self) -> str:
        """Return the API key of the first account."""
        return self.backend.get_account().api_key

    @property
    def access_key(self) -> str:
        """Return the access key of the first account."""
        return self.backend.get_account().access_key

    @property
    def secret_key(self) -> str:
        """Return the secret key of the first account."""
        return self.backend.get_account().secret_key

    def stats(self) -> dict[str, Any]:
        """Return the counts of ``GET /_sandbox/stats``."""
        return self.app.build_stats()

    def requests(self) -> list[dict[str, Any]]:
        """Return what was on the wire, oldest first, as ``GET /_sandbox/requests`` does."""
        return self.app.request_log.list_requests()

    def set_faults(self, rules: list[dict[str, Any]]) -> None:
        """Put these rules in the place of all others, as ``POST /_sandbox/faults`` does.

        :param rules: mappings with ``kind``, and what else that kind takes; ``GET /_sandbox/faults`` lists the kinds.
        :raises BadRule: a rule makes no sense.
        """
        control.set_faults(self.app, list(rules))

    def advance(self, seconds: float) -> None:
        """Push the clock forward, as ``POST /_sandbox/advance`` does.

        :param seconds: seconds of the sandbox's clock.
        """
        control.advance_clock(self.app, seconds)

    def rotate_key(self, api_key: str, account: str = "default") -> None:
        """Give an account another API key, as ``POST /_sandbox/keys`` does; the old one is unknown then.

        :param api_key: the new key.
        :param account: the name of the account.
        """
        self.app.authenticator.rotate_key(account, api_key)

    def reset(self) -> None:
        """Forget tasks, counts and rules, and fill the packs, as ``POST /_sandbox/reset`` does."""
        self.app.reset_state()

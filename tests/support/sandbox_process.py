# SPDX-License-Identifier: Apache-2.0
"""The sandbox as a process of its own, as ``make demo`` and the tests use it."""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import requests

from tests.support.stack.environment import clean_environment
from tests.support.stack.processes import ProcessFamily, StackError, tail, wait_for

_FIRST_LINE = re.compile(r"Kling sandbox on (http://\S+)")


class SandboxProcess:
    """``python -m kling_provider.sandbox`` on a free port, from ``with`` to the end of the block.

    :param key: the API key of its account.
    :param options: its command line options: ``time_scale=30`` becomes ``--time-scale 30``.
    """

    def __init__(self, *, key: str = "sk-demo", **options: object) -> None:
        self.key = key
        self.address = ""
        self._options = {"port": 0, "api_key": key, **options}
        self._folder = Path(tempfile.mkdtemp(prefix="kling-sandbox-"))
        self._family: ProcessFamily | None = None
        self._session = requests.Session()
        self._session.trust_env = False  # no netrc, no proxy: this is loopback

    @property
    def connection(self) -> dict[str, Any]:
        """An Airflow connection to it that has everything the real Kling has."""
        return {
            "conn_type": "kling",
            "host": self.address,
            "password": self.key,
            "extra": {"profile": "kling"},
        }

    def __enter__(self) -> Self:
        self._family = ProcessFamily(self._folder)
        try:
            self._start()
        except BaseException:
            self._leave()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave()

    def call(self, method: str, path: str, **arguments: Any) -> Any:
        """One call to its own pages (``/_sandbox/…``): statistics, faults, reset."""
        response = self._session.request(method, f"{self.address}{path}", timeout=30, **arguments)
        response.raise_for_status()
        return response.json() if response.content else None

    def _start(self) -> None:
        assert self._family
        log = self._folder / "sandbox.log"
        arguments = [
            word
            for name, value in self._options.items()
            for word in (f"--{name.replace('_', '-')}", str(value))
        ]
        process = self._family.start(
            [sys.executable, "-m", "kling_provider.sandbox", *arguments],
            environment=clean_environment(Path(sys.executable)),
            cwd=self._folder,
            log=log,
        )

        def address() -> str | None:
            if (code := process.poll()) is not None:
                raise StackError(f"the sandbox ended with {code}:\n{tail(log)}")
            found = _FIRST_LINE.search(log.read_text(encoding="utf-8", errors="replace"))
            return found[1] if found else None

        found = wait_for(
            address, timeout=30, interval=0.05, what=lambda: f"the sandbox's address:\n{tail(log)}"
        )
        assert found
        self.address = found

    def _leave(self) -> None:
        try:
            if self._family:
                self._family.end()
                self._family = None
        finally:
            self._session.close()

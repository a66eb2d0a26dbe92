# SPDX-License-Identifier: Apache-2.0
"""A request and a response as plain data, between the socket and what decides."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, BinaryIO
from urllib.parse import parse_qs

from kling_provider.sandbox.http.errors import ApiError


@dataclass(frozen=True, kw_only=True)
class Request:
    """One request as it came in; header names keep their spelling and request."""

    method: str
    path: str
    query: str = ""
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""

    def get_header(self, name: str) -> str | None:
        """Return the first value of a header, whatever its spelling; None where it was not sent."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def parse_query(self) -> dict[str, str]:
        """Return the last value of every query parameter."""
        return {key: values[-1] for key, values in parse_qs(self.query, keep_blank_values=True).items()}

    def parse_json(self) -> Any:
        """Return the body; an empty one reads as an empty object.

        :raises ApiError: it is not JSON (1200, the table's general code; not observed).
        """
        try:
            return json.loads(self.body or b"{}")
        except ValueError:
            raise ApiError(1200, "Request body is not valid JSON") from None


@dataclass(kw_only=True)
class Response:
    """One response. ``payload`` becomes JSON, ``file`` is streamed, else ``body`` is sent as it is."""

    status: int = 200
    payload: Any = None
    body: bytes = b""
    content_type: str = "application/json; charset=utf-8"
    headers: list[tuple[str, str]] = field(default_factory=list)
    file: BinaryIO | None = None
    """Closed by whoever sends it."""
    span: tuple[int, int] | None = None
    """First and last byte of ``file``; None: all of it."""
    delay: float = 0.0
    drop: bool = False
    """Close the connection without a byte."""
    cut: float | None = None
    """Close the connection after this share of the body."""
    drip: float | None = None
    """Seconds between two bytes of the body."""
    drip_head: bool = False
    """The head drips, too."""

    def encode_body(self) -> bytes:
        """Encode what is sent as the body, unless that is a file."""
        if self.payload is None:
            return self.body
        text = json.dumps(self.payload, ensure_ascii=False, separators=(",", ":"))
        try:
            return text.encode()
        except UnicodeEncodeError:  # half a surrogate pair, which JSON can hold as an escape only
            return json.dumps(self.payload, separators=(",", ":")).encode()


def build_success(data: Any) -> Response:
    """Build a success in the envelope of both API designs."""
    return Response(payload={"code": 0, "message": "SUCCEED", "request_id": str(uuid.uuid4()), "data": data})


def build_error_response(error: ApiError) -> Response:
    """Build an error in its envelope; ``data`` is missing (recorded)."""
    payload = {"code": error.code, "message": error.message, "request_id": str(uuid.uuid4())}
    return Response(status=error.http_status, payload=payload)


def build_html_page(status: int, title: str) -> Response:
    """Build the page of a proxy that knows no JSON."""
    page = f"<html>\r\n<head><title>{status} {title}</title></head>\r\n<body>\r\n<center><h1>{status} {title}</h1>"
    return Response(
        status=status,
        body=f"{page}</center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n".encode(),
        content_type="text/html",
    )


def format_amount(value: Decimal) -> str:
    """Return a decimal as on Kling's wire: ``3``, ``2.4``; no exponent, no trailing zeros."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text

# SPDX-License-Identifier: Apache-2.0
"""What faults answer: in the place of the work, and instead of what the work answered."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

from kling_provider.sandbox.endpoints.base import Endpoint
from kling_provider.sandbox.endpoints.gateways.dmxapi_answers import build_accepted_error
from kling_provider.sandbox.http.errors import ApiError
from kling_provider.sandbox.http.messages import Response, build_html_page
from kling_provider.sandbox.state.faults import Rule

if TYPE_CHECKING:
    from kling_provider.sandbox.app import App

_CODES = {"rate_limited": 1302, "concurrency": 1303, "arrears": 1101, "exhausted": 1102}
#: Refusals whose code the rule itself says.
_CODED = frozenset({"error_before", "auth", "refused", "moderation"})
#: What ``base.py`` has done already, in its description of the tasks.
_DONE_BY_THE_WORK = frozenset({"expired_link", "unknown_status", "outputs"})


def build_fault_response(app: App, rule: Rule, endpoint: Endpoint) -> Response:
    """Build what a fault answers in the place of the endpoint.

    :raises NotImplementedError: for a kind that is not carried out here.
    """
    if rule.name == "answer_lost_before":
        return Response(drop=True)
    if rule.name in ("html_502", "status_408", "outage"):
        return _build_proxy_page(rule)
    if rule.name == "answer":
        return _build_given_response(rule)
    if rule.name == "redirect":
        location = rule["location"] or f"{app.url}/_sandbox/redirected"
        answer = build_html_page(int(rule["status"]), "Moved")
        answer.headers.append(("Location", str(location)))
        return answer
    if rule.name in _CODES:
        error = ApiError(_CODES[rule.name])
    elif rule.name in _CODED:
        error = ApiError(int(rule["code"]), rule.parameters.get("message"))
    else:
        raise NotImplementedError(f"nothing carries out {rule.name} in the place of the work")
    return _add_retry_after(endpoint.build_refusal(error), rule)


def apply_fault(rule: Rule, answer: Response, endpoint: Endpoint) -> Response:
    """Change the response to work that was done as a fault wants it.

    :raises NotImplementedError: for a kind that is carried out neither here nor by the work.
    """
    if rule.name == "answer_lost_after":
        return Response(drop=True)
    if rule.name == "answer":
        return _build_given_response(rule)
    if rule.name in ("answer_cut", "cut_download"):
        answer.cut = float(rule["at"])
    elif rule.name == "drip":
        answer.drip, answer.drip_head = float(rule["seconds"]), bool(rule["head"])
    elif rule.name == "flood":
        return _pad_json(answer, rule)
    elif rule.name == "error_after":
        return endpoint.build_refusal(ApiError(int(rule["code"])))
    elif rule.name in ("html_502", "status_408"):
        return _build_proxy_page(rule)
    elif rule.name == "accepted_with_400":
        return build_accepted_error(answer, status=int(rule["status"]), place=str(rule["place"]))
    elif rule.name == "missing_id":
        endpoint.remove_ids(answer.payload)
    elif rule.name == "wrong_code_shape":
        if isinstance(answer.payload, dict):
            endpoint.put_code(answer.payload, rule["code"])
    elif rule.name not in _DONE_BY_THE_WORK:
        raise NotImplementedError(f"nothing carries out {rule.name} to an answer")
    return answer


def _build_proxy_page(rule: Rule) -> Response:
    if rule.name == "status_408":
        return build_html_page(408, "Request Time-out")
    status = int(rule["status"])
    return _add_retry_after(
        build_html_page(status, {503: "Service Unavailable"}.get(status, "Bad Gateway")), rule
    )


def _pad_json(answer: Response, rule: Rule) -> Response:
    """Put blanks, which mean nothing, before the end of a JSON body."""
    content = answer.encode_body()
    body = content[:-1] + b" " * int(float(rule["megabytes"]) * 1024**2) + content[-1:]
    if rule["gzip"]:
        body = gzip.compress(body, compresslevel=1)
        answer.headers.append(("Content-Encoding", "gzip"))
    answer.payload, answer.body = None, body
    return answer


def _build_given_response(rule: Rule) -> Response:
    """Build the response that the rule itself holds."""
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


def _add_retry_after(answer: Response, rule: Rule) -> Response:
    seconds = rule.parameters.get("retry_after")
    if seconds is not None:
        answer.headers.append(("Retry-After", str(seconds)))
    return answer

# SPDX-License-Identifier: Apache-2.0
"""The controls under ``/_sandbox/`` and the page for people.

=======  ==========================  ======================================================================
GET      ``/_sandbox/stats``         counts, tasks in flight, log of creates
GET      ``/_sandbox/tasks``         all tasks with their request; told: when a read first said the end
GET      ``/_sandbox/requests``      the last 5000 API requests as they came in; ``?limit=`` newest
GET      ``/_sandbox/faults``        the rules in force and the table of kinds
POST     ``/_sandbox/faults``        a list of rules, in the place of all others
DELETE   ``/_sandbox/faults``        no rules
POST     ``/_sandbox/reset``         no tasks, counts, rules; full packs
POST     ``/_sandbox/advance``       ``{"seconds": …}`` pushes the sandbox's clock forward
POST     ``/_sandbox/options``       ``concurrency, units, time_scale, render_seconds, latency, account_qps``
POST     ``/_sandbox/keys``          ``{"api_key": …, "account": "default"}``: the old key is unknown now
GET      ``/_sandbox/image.png``     a sample image;  ``?w=&h=&seed=``
GET      ``/_sandbox/video.mp4``     a sample video;  ``?seconds=&w=&h=&sound=off&faces=``
GET      ``/_sandbox/sound.mp3``     a sample sound, and ``sound.wav``;  ``?seconds=``
any      ``/_sandbox/redirected``    where the redirect fault leads; following it is counted
=======  ==========================  ======================================================================
"""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING, Any

from kling_provider.sandbox.http.messages import Request, Response, build_html_page, format_amount
from kling_provider.sandbox.media.sources import read_sound, read_video_url
from kling_provider.sandbox.state.clock import Clock
from kling_provider.sandbox.state.faults import KINDS, BadRule
from kling_provider.sandbox.state.tasks import Task, to_milliseconds

if TYPE_CHECKING:
    from kling_provider.sandbox.app import App

_NUMBERS = ("time_scale", "render_seconds", "latency", "account_qps")


def answer_control(app: App, request: Request) -> Response:
    """Answer one request for the controls; what is wrong with it is said in plain text (400)."""
    try:
        return _route_control(app, request)
    except (BadRule, KeyError, TypeError, ValueError, StopIteration) as error:
        return Response(
            status=400, body=f"{type(error).__name__}: {error}\n".encode(), content_type="text/plain"
        )


def _route_control(app: App, request: Request) -> Response:
    match request.method, request.path.removeprefix("/_sandbox"):
        case "GET" | "HEAD", "/":
            page = (files("kling_provider.sandbox") / "page.html").read_bytes()
            return Response(body=page, content_type="text/html; charset=utf-8")
        case "GET", "/stats":
            return Response(payload=app.build_stats())
        case "GET", "/tasks":
            return Response(payload=_describe_tasks(app, request))
        case "GET", "/requests":
            return Response(payload=app.request_log.list_requests()[-_read_limit(request) :])
        case "GET", "/faults":
            kinds = {
                name: {
                    "on": kind.on,
                    "phase": kind.phase,
                    "text": kind.text,
                    "parameters": dict(kind.parameters),
                }
                for name, kind in KINDS.items()
            }
            return Response(payload={"rules": app.faults.to_json(), "kinds": kinds})
        case "POST", "/faults":
            set_faults(app, request.parse_json())
            return Response(payload={"rules": app.faults.to_json()})
        case "DELETE", "/faults":
            set_faults(app, [])
            return Response(payload={"rules": []})
        case "POST", "/reset":
            app.reset_state()
            return Response(payload={"ok": True})
        case "POST", "/advance":
            return Response(payload={"now": advance_clock(app, float(request.parse_json()["seconds"]))})
        case "POST", "/options":
            return Response(payload=_set_options(app, request.parse_json()))
        case "POST", "/keys":
            body = request.parse_json()
            app.authenticator.rotate_key(str(body.get("account", "default")), str(body["api_key"]))
            return Response(payload={"ok": True})
        case "GET", "/image.png":
            return Response(body=_draw_sample(request.query), content_type="image/png")
        case "GET" | "HEAD", "/video.mp4" | "/sound.mp3" | "/sound.wav":
            return _send_sample(app, request)
        case _, "/redirected":
            app.request_log.count_redirect()
            return build_html_page(404, "Not Found")
    return build_html_page(404, "Not Found")


def set_faults(app: App, rules: list[object]) -> None:
    """Replace the rules; ``refuse_connect`` takes effect at once."""
    app.faults.replace_rules(rules, app.backend.clock())
    closed = [
        float(rule.get("seconds", 5)) for rule in app.faults.to_json() if rule["kind"] == "refuse_connect"
    ]
    if closed:
        app.close_port(max(closed))


def advance_clock(app: App, seconds: float) -> int:
    """Push the clock; returns the new time in ms."""
    clock = app.backend.clock
    if not isinstance(clock, Clock):
        raise TypeError("this clock cannot be pushed")
    clock.advance_by(seconds)
    app.journal.push_clock(clock.seconds_ahead)
    return to_milliseconds(app.backend.settle_tasks())


def _set_options(app: App, body: dict[str, Any]) -> dict[str, Any]:
    unknown = set(body) - {*_NUMBERS, "concurrency", "units"}
    if unknown:
        raise ValueError(f"cannot be changed while running: {sorted(unknown)}")
    for name in _NUMBERS:
        if name in body:
            setattr(app.options, name, float(body[name]))
    app.backend.set_limits(units=body.get("units"), concurrency=body.get("concurrency"))
    options = app.options
    return {name: getattr(options, name) for name in (*_NUMBERS, "concurrency", "units")}


def _read_limit(request: Request) -> int:
    text = request.parse_query().get("limit", "")
    return max(1, int(text)) if text else 1_000_000


def _describe_tasks(app: App, request: Request) -> list[dict[str, Any]]:
    now, base = app.backend.settle_tasks(), app.get_base_url(request)
    return [_describe_task(app, task, now, base) for task in app.backend.all()[-_read_limit(request) :]]


def _describe_task(app: App, task: Task, now: float, base: str) -> dict[str, Any]:
    request, state, product = task.request, task.get_state(now), app.get_product(task)
    done = state == "succeeded"
    return {
        "id": task.id,
        "account": task.account,
        "dialect": request.dialect,
        "product": request.product,
        "model": request.model,
        "model_name": request.model_name,
        "external_task_id": request.external_id,
        "prompt": request.prompt,
        "settings": request.settings,
        "summary": product.summarize_settings(request),
        "state": state,
        "message": task.message if state == "failed" else "",
        "progress": round(task.compute_progress(now), 3),
        "units": format_amount(task.price) if done else "0",
        "created": to_milliseconds(task.created),
        "ended": to_milliseconds(task.ends) if state in ("succeeded", "failed") else None,
        "told": app.request_log.find_end_told(task.id),
        "forgotten": now >= task.forgotten_from,
        "outputs": _list_files(app, task, base) if done else [],
        "request": {"headers": [list(pair) for pair in request.headers], "body": request.body},
    }


def _list_files(app: App, task: Task, base: str) -> list[dict[str, str]]:
    """List the files of a finished task: what they are, and where."""
    return [
        {"type": link.media.content_type, "url": app.sign_url(task, link.name, base=base)}
        for link in app.get_product(task).list_links(task)
    ]


def _send_sample(app: App, request: Request) -> Response:
    url = f"{app.get_base_url(request)}{request.path}?{request.query}"
    is_video = request.path.endswith(".mp4")
    source = read_video_url(url, "url") if is_video else read_sound(url, "url", max_mb=0)
    name, media = app.find_source_file(source)
    return Response(file=app.media.open_file(name, media), content_type=media.content_type)


def _draw_sample(query: str) -> bytes:
    from kling_provider.sandbox.media.image import draw_sample  # the drawing libraries are heavy: only now

    return draw_sample(query)

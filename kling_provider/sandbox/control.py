# SPDX-License-Identifier: Apache-2.0
"""
The controls under ``/_sandbox/`` and the page for people.

=======  ==========================  ======================================================================
GET      ``/_sandbox/stats``         counts, slots, log of creates
GET      ``/_sandbox/tasks``         all tasks with their request; ``?limit=`` newest
GET      ``/_sandbox/requests``      the last 5000 API requests as they came in; ``?limit=`` newest
GET      ``/_sandbox/faults``        the rules in force and the table of kinds
POST     ``/_sandbox/faults``        a list of rules, in the place of all others
DELETE   ``/_sandbox/faults``        no rules
POST     ``/_sandbox/reset``         no tasks, counts, rules; full packs
POST     ``/_sandbox/advance``       ``{"seconds": …}`` pushes the sandbox's clock forward
POST     ``/_sandbox/options``       ``concurrency, units, time_scale, render_seconds, latency, account_qps``
POST     ``/_sandbox/keys``          ``{"api_key": …, "account": "default"}``: the old key is unknown now
GET      ``/_sandbox/image.png``     a sample picture; ``?w=&h=&seed=``
any      ``/_sandbox/redirected``    where the redirect fault leads; following it is counted
=======  ==========================  ======================================================================
"""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from kling_provider.sandbox import films
from kling_provider.sandbox.app import App
from kling_provider.sandbox.clock import Clock
from kling_provider.sandbox.faults import KINDS, BadRule
from kling_provider.sandbox.prices import amount
from kling_provider.sandbox.tasks import Task, milliseconds
from kling_provider.sandbox.wire import Answer, Request, html

NUMBERS = ("time_scale", "render_seconds", "latency", "account_qps")


def answer(app: App, request: Request) -> Answer:
    """Answer one request for the controls; what is wrong with one is said in plain text."""
    try:
        return _answer(app, request)
    except (BadRule, KeyError, TypeError, ValueError, StopIteration) as error:
        return Answer(
            status=400, body=f"{type(error).__name__}: {error}\n".encode(), content_type="text/plain"
        )


def _answer(app: App, request: Request) -> Answer:
    match request.method, request.path.removeprefix("/_sandbox"):
        case "GET" | "HEAD", "/":
            page = (files(__package__) / "page.html").read_bytes()
            return Answer(body=page, content_type="text/html; charset=utf-8")
        case "GET", "/stats":
            return Answer(payload=app.stats())
        case "GET", "/tasks":
            return Answer(payload=_tasks(app, request))
        case "GET", "/requests":
            return Answer(payload=app.ledger.requests()[-_limit(request) :])
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
            return Answer(payload={"rules": app.faults.as_json(), "kinds": kinds})
        case "POST", "/faults":
            set_faults(app, request.json())
            return Answer(payload={"rules": app.faults.as_json()})
        case "DELETE", "/faults":
            set_faults(app, [])
            return Answer(payload={"rules": []})
        case "POST", "/reset":
            app.reset()
            return Answer(payload={"ok": True})
        case "POST", "/advance":
            return Answer(payload={"now": advance(app, float(request.json()["seconds"]))})
        case "POST", "/options":
            return Answer(payload=_set_options(app, request.json()))
        case "POST", "/keys":
            body = request.json()
            app.gatekeeper.rotate(str(body.get("account", "default")), str(body["api_key"]))
            return Answer(payload={"ok": True})
        case "GET", "/image.png":
            return Answer(body=films.sample(request.query), content_type="image/png")
        case _, "/redirected":
            app.ledger.redirect_followed()
            return html(404, "Not Found")
    return html(404, "Not Found")


def set_faults(app: App, rules: list[object]) -> None:
    """Replace the rules; ``refuse_connect`` takes effect at once."""
    app.faults.replace(rules, app.world.clock())
    closed = [
        float(rule.get("seconds", 5)) for rule in app.faults.as_json() if rule["kind"] == "refuse_connect"
    ]
    if closed:
        app.close_port(max(closed))


def advance(app: App, seconds: float) -> int:
    """Push the clock; returns the new time in ms."""
    clock = app.world.clock
    if not isinstance(clock, Clock):
        raise TypeError("this clock cannot be pushed")
    clock.advance(seconds)
    app.journal.push_clock(clock.ahead)
    return milliseconds(app.world.settle())


def _set_options(app: App, body: dict[str, Any]) -> dict[str, Any]:
    unknown = set(body) - {*NUMBERS, "concurrency", "units"}
    if unknown:
        raise ValueError(f"cannot be changed while running: {sorted(unknown)}")
    for name in NUMBERS:
        if name in body:
            setattr(app.options, name, float(body[name]))
    app.world.set_limits(units=body.get("units"), concurrency=body.get("concurrency"))
    options = app.options
    return {name: getattr(options, name) for name in (*NUMBERS, "concurrency", "units")}


def _limit(request: Request) -> int:
    text = request.parameters().get("limit", "")
    return max(1, int(text)) if text else 1_000_000


def _tasks(app: App, request: Request) -> list[dict[str, Any]]:
    now, base = app.world.settle(), app.base(request)
    return [_task(app, task, now, base) for task in app.world.all()[-_limit(request) :]]


def _task(app: App, task: Task, now: float, base: str) -> dict[str, Any]:
    order, state = task.order, task.state(now)
    done = state == "succeeded"
    return {
        "id": task.id,
        "account": task.account,
        "dialect": order.dialect,
        "product": order.product,
        "model": order.model,
        "model_name": order.model_name,
        "external_task_id": order.external_id,
        "prompt": order.prompt,
        "duration": order.duration,
        "resolution": order.resolution,
        "aspect_ratio": order.aspect_ratio,
        "sound": order.sound,
        "state": state,
        "message": task.message if state == "failed" else "",
        "progress": round(task.progress(now), 3),
        "units": amount(task.price) if done else "0",
        "created": milliseconds(task.created),
        "ended": milliseconds(task.ends) if state in ("succeeded", "failed") else None,
        "forgotten": not task.visible(now),
        "video": app.signer.link(base, task) if done else None,
        "request": {"headers": [list(pair) for pair in order.headers], "body": order.body},
    }

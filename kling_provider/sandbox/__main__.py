# SPDX-License-Identifier: Apache-2.0
"""``python -m kling_provider.sandbox``: a local Kling until Ctrl-C."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from kling_provider.sandbox.connecting import list_exports
from kling_provider.sandbox.extra import MissingExtra
from kling_provider.sandbox.options import CHOICES, Options
from kling_provider.sandbox.sandbox import Sandbox
from kling_provider.sandbox.state.faults import format_table

_HELP = {
    "host": "IP address or name to listen on",
    "port": "port to listen on; 0 picks a free one",
    "port_file": "write the URL into this file once it is ready",
    "profile": "what the sandbox is: Kling itself, or a gateway (create and read by id, no lock)",
    "shape": "which gateway, or family of gateways, it is",
    "prefix": "path before the API's paths (default: that of the gateway, else none)",
    "region": "keys of the other region are refused",
    "time_scale": "how many render seconds pass in one real second",
    "render_seconds": "how long Kling takes for a video, before scaling",
    "concurrency": "tasks in flight that a pack allows, for each model; a pack of image units at least 9",
    "units": "video units in the pack",
    "image_units": "image units in a pack of their own; 0: no such pack",
    "pack": "trial: its name states the limit; plain: it does not; none: no pack at all",
    "api_key": "key of the first account (default: api-key-kling-sandbox; a gateway takes every sk-…)",
    "access_key": "access key of the first account",
    "secret_key": "its secret key",
    "webhook_secret": "whsec_…: sign callbacks",
    "latency": "seconds before each answer of the API",
    "account_qps": "reads of /account/costs a second; 0: not limited",
    "seed": "of the random numbers of faults",
    "state_dir": "a folder that keeps its tasks from one start to the next (default: they are gone at the end)",
    "media_cache_mb": "room for rendered files",
    "short_side": "pixels of the shorter side of every video (default: what the resolution means)",
    "effect_scenes": "scenes of effects that take one image, separated by commas; those of two are known",
    "allow_hosts": "names with dots that it may be called by, separated by commas; IP addresses and localhost always",
}


def build_parser() -> argparse.ArgumentParser:
    """Build the command line: one option for every field of :class:`Options`."""
    result = argparse.ArgumentParser(
        prog="python -m kling_provider.sandbox",
        description="A local stand-in for Kling's HTTP API, with real MP4s, limits and faults on demand.",
        epilog="Faults, for POST /_sandbox/faults (see kling_provider/sandbox/state/faults.py):\n\n"
        + format_table(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    defaults = vars(Options())
    for name, text in _HELP.items():
        default = defaults[name]
        arguments: dict[str, Any] = {"default": default, "help": text}
        if default is not None:
            arguments["type"] = type(default)
            arguments["help"] += f" (default: {default})"
        if name in ("port_file", "state_dir"):
            arguments["type"] = Path
        if name == "short_side":
            arguments["type"] = int
        if name in CHOICES:
            arguments["choices"] = CHOICES[name]
        result.add_argument(f"--{name.replace('_', '-')}", **arguments)
    return result


def main(arguments: list[str] | None = None) -> int:
    """Run a sandbox until SIGINT or SIGTERM; return 1 where it could not start."""
    parsed = build_parser().parse_args(arguments)
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    try:
        with Sandbox(**vars(parsed)) as sandbox:
            print(_build_greeting(sandbox), flush=True)
            ended.wait()
    except (MissingExtra, ValueError) as error:
        print(f"Not started: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        where = error.filename or f"{parsed.host}:{parsed.port}"
        advice = "" if error.filename else "; another --port may be free, 0 finds one"
        print(f"Not started: {where}: {error.strerror}{advice}.", file=sys.stderr)
        return 1
    print("Kling sandbox ended", flush=True)
    return 0


def _build_greeting(sandbox: Sandbox) -> str:
    """Say what the sandbox is, where it is and how to connect an Airflow to it; programs read the first line."""
    options = sandbox.options
    seconds = options.render_seconds / options.time_scale
    kind = f"{options.shape} gateway" if options.is_gateway else f"region {options.region}"
    if options.state_dir is None:
        kept = "Its tasks are gone when it ends; --state-dir FOLDER keeps them."
    else:
        kept = f"Its tasks are kept in {options.state_dir} ({len(sandbox.backend.all())} from before)."
    as_json, as_uri = list_exports(options, sandbox.base_url)
    return f"""\
Kling sandbox on {sandbox.url} key {sandbox.api_key} ({kind}, prefix {options.path_prefix or "none"}, \
a video takes {seconds:g} s, {options.concurrency} at once, {options.units:g} units)
{kept} A page for people is at {sandbox.url}

Connect Airflow to it in the shell that starts Airflow, in one of two forms:

  {as_json}

  {as_uri}
"""


if __name__ == "__main__":
    raise SystemExit(main())

# SPDX-License-Identifier: Apache-2.0
"""``python -m kling_provider.sandbox``: a local Kling until Ctrl-C."""

from __future__ import annotations

import argparse
import signal
import threading
from pathlib import Path
from typing import Any

from kling_provider.sandbox.faults import table
from kling_provider.sandbox.options import CHOICES, Options
from kling_provider.sandbox.runner import Sandbox

HELP = {
    "host": "address to listen on",
    "port": "port to listen on; 0 picks a free one",
    "port_file": "write the address into this file once it is ready",
    "profile": "what the sandbox is: Kling itself, or a gateway (create and read by id, no lock)",
    "shape": "how a gateway wraps Kling's answers",
    "prefix": "path before the API's paths (default: /kling for a gateway, else none)",
    "region": "keys of the other region are refused",
    "time_scale": "how many render seconds pass in one real second",
    "render_seconds": "how long Kling takes for a video, before scaling",
    "concurrency": "tasks in flight that the pack allows, for each model",
    "units": "video units in the pack",
    "pack": "trial: its name states the limit; plain: it does not; none: no pack at all",
    "api_key": "key of the first account (default: api-key-kling-sandbox; a gateway takes every sk-…)",
    "access_key": "access key of the first account",
    "secret_key": "its secret key",
    "webhook_secret": "whsec_…: sign callbacks",
    "latency": "seconds before each answer of the API",
    "account_qps": "reads of /account/costs a second; 0: not limited",
    "seed": "of the random numbers of faults",
    "state_dir": "where rendered films are kept while it runs (default: a temporary folder)",
    "film_cache_mb": "room for rendered films",
}


def parser() -> argparse.ArgumentParser:
    """One option for every field of :class:`Options`."""
    result = argparse.ArgumentParser(
        prog="python -m kling_provider.sandbox",
        description="A local stand-in for Kling's HTTP API, with real MP4s, limits and faults on demand.",
        epilog="Faults, for POST /_sandbox/faults (see kling_provider/sandbox/faults.py):\n\n" + table(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    defaults = vars(Options())
    for name, text in HELP.items():
        default = defaults[name]
        arguments: dict[str, Any] = {"default": default, "help": text}
        if default is not None:
            arguments["type"] = type(default)
            arguments["help"] += f" (default: {default})"
        if name in ("port_file", "state_dir"):
            arguments["type"] = Path
        if name in CHOICES:
            arguments["choices"] = CHOICES[name]
        result.add_argument(f"--{name.replace('_', '-')}", **arguments)
    return result


def main(arguments: list[str] | None = None) -> int:
    options = vars(parser().parse_args(arguments))
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    with Sandbox(**options) as sandbox:
        seconds = sandbox.options.render_seconds / sandbox.options.time_scale
        kind = (
            f"{sandbox.options.shape} gateway" if sandbox.options.gateway else f"region {options['region']}"
        )
        print(
            f"Kling sandbox on {sandbox.url} key {sandbox.api_key} ({kind}, prefix "
            f"{sandbox.options.path_prefix or 'none'}, a video takes {seconds:g} s, "
            f"{options['concurrency']} at once, {options['units']:g} units)",
            flush=True,
        )
        ended.wait()
    print("Kling sandbox ended", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

# SPDX-License-Identifier: Apache-2.0
"""``KlingAsyncHook`` against servers on loopback: what goes over the wire, and what comes of the answers."""

from __future__ import annotations

import asyncio
import datetime as dt
import ssl
import time
from contextlib import asynccontextmanager
from decimal import Decimal
from email.utils import formatdate
from pathlib import Path

import jwt
import pytest
from aiohttp import web

from kling_provider.api.tasks import TaskStatus
from kling_provider.exceptions import (
    KlingAuthError,
    KlingRequestError,
    KlingServerError,
    KlingTaskNotFound,
)
from kling_provider.hooks.kling import KlingAsyncHook
from tests.unit.waiting_stand_ins import KEY, Account, connection_json, error, ok, serving

ONE_TASK = b'{"code":0,"message":"SUCCEED","request_id":"r","data":[{"id":"1","status":"processing"}]}'


@pytest.fixture
def account():
    return Account()


@pytest.fixture
def connect(monkeypatch):
    def connect(host: str, **fields) -> KlingAsyncHook:
        monkeypatch.setenv("AIRFLOW_CONN_KLING_DEFAULT", connection_json(host, **fields))
        return KlingAsyncHook()

    return connect


def kling(**extra):
    return {"extra": {"profile": "kling", **extra}}


@asynccontextmanager
async def recording(answer: bytes = ONE_TASK, context: ssl.SSLContext | None = None):
    """A server that keeps the very bytes of each request."""
    requests: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            (int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
        )
        requests.append(head + await reader.readexactly(length))
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n"
            b"Content-Length: %d\r\n\r\n%s" % (len(answer), answer)
        )
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    async with server:
        yield f"http{'s' if context else ''}://127.0.0.1:{server.sockets[0].getsockname()[1]}", requests


def headers_of(request: bytes) -> dict[str, str]:
    lines = request.decode().split("\r\n\r\n")[0].split("\r\n")[1:]
    return dict(line.split(": ", 1) for line in lines)


# -- the wire ----------------------------------------------------------------------------------------------


async def test_on_the_wire_is_the_key_and_the_users_headers_and_nothing_of_ours(
    connect, monkeypatch, tmp_path
):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    async with recording() as (url, requests):
        ours = {"namespace": "test", "max_concurrency": 3, "region": "china", "api": "standard"}
        extra = {"profile": "kling", **ours, "timeout": 5, "verify": True, "X-Team": 7}
        async with connect(url, extra=extra) as hook:
            await hook.get_task("1")
            with pytest.raises(KlingServerError, match="no page of tasks"):
                await hook.list_tasks(statuses=["submitted"])
    standard = {"Host", "Accept", "Accept-Encoding", "User-Agent"}
    read, listed = map(headers_of, requests)
    assert requests[0].startswith(b"GET /tasks?task_ids=1 HTTP/1.1\r\n")
    assert set(read) == standard | {"Authorization", "X-Team"}
    assert set(listed) == standard | {"Authorization", "X-Team", "Content-Type", "Content-Length"}
    assert (read["Authorization"], read["X-Team"]) == (f"Bearer {KEY}", "7")


async def test_a_path_prefix_stays_and_a_login_never_becomes_basic_auth(connect):
    done = b'{"code":0,"data":{"task_id":"1","task_status":"succeed"}}'
    async with (
        recording(done) as (url, requests),
        connect(f"{url}/kling", login="my-access-key") as hook,
    ):
        assert (await hook.get_task("1", type="image_to_video")).status is TaskStatus.SUCCEEDED
    assert requests[0].startswith(b"GET /kling/v1/videos/image2video/1 HTTP/1.1\r\n")
    token = headers_of(requests[0])["Authorization"].removeprefix("Bearer ")
    assert jwt.decode(token, KEY, algorithms=["HS256"])["iss"] == "my-access-key"


async def test_a_proxy_is_used_and_gets_the_whole_address(connect):
    async with (
        recording() as (proxy, requests),
        connect("http://kling.invalid", **kling(proxies={"http": proxy})) as hook,
    ):
        await hook.get_task("1")
    assert requests[0].startswith(b"GET http://kling.invalid/tasks?task_ids=1 HTTP/1.1\r\n")


async def test_the_environments_proxy_counts(connect, monkeypatch):
    async with recording() as (proxy, requests):
        monkeypatch.setenv("HTTP_PROXY", proxy)
        async with connect("http://kling.invalid", **kling()) as hook:
            await hook.get_task("1")
    assert len(requests) == 1


async def test_a_proxy_that_aiohttp_cannot_use_is_named(connect):
    async with connect("http://kling.invalid", **kling(proxy="socks5://user:secret@127.0.0.1:1")) as hook:
        with pytest.raises(KlingRequestError, match="http and https proxies only") as refused:
            await hook.get_task("1")
    assert "secret" not in str(refused.value)


async def test_tls_is_checked_unless_the_connection_says_otherwise(connect, tmp_path):
    certificate, context = self_signed(tmp_path)
    async with recording(context=context) as (url, requests):
        async with connect(url, **kling()) as hook:
            with pytest.raises(KlingServerError, match="TLS failed"):
                await hook.get_task("1")
        assert requests == []
        for verify in (str(certificate), False):
            async with connect(url, **kling(verify=verify)) as hook:
                assert (await hook.get_task("1")).kling_task_id == "1"


async def test_a_missing_bundle_is_the_connections_fault(connect):
    async with connect("https://127.0.0.1:1", **kling(verify="/no/such/file.pem")) as hook:
        with pytest.raises(KlingRequestError, match="verify or cert"):
            await hook.get_task("1")


def self_signed(folder: Path) -> tuple[Path, ssl.SSLContext]:
    from ipaddress import ip_address

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "stand-in")])
    today = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(today - dt.timedelta(days=1))
        .not_valid_after(today + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / "stand-in.pem"
    file.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(file)
    return file, context


async def test_a_redirect_is_not_followed(connect):
    seen = []

    async def handler(request):
        seen.append(request.path)
        raise web.HTTPFound("/elsewhere")

    async with serving(handler) as url, connect(url, **kling()) as hook:
        with pytest.raises(KlingServerError):
            await hook.get_task("1")
    assert seen == ["/tasks"]


@pytest.mark.slow
async def test_a_call_ends_after_the_read_timeout(connect, account):
    account.slowness = 5
    async with serving(account.answer) as url, connect(url, **kling(timeout=[1, 0.2])) as hook:
        began = time.monotonic()
        with pytest.raises(KlingServerError, match="no response in time"):
            await hook.get_task("1")
        assert time.monotonic() - began < 4


async def test_an_unreachable_host_is_named_without_the_address(connect):
    async with connect("http://127.0.0.1:9", **kling()) as hook:
        with pytest.raises(KlingServerError, match=r"127\.0\.0\.1:9") as failed:
            await hook.get_task("1")
    assert "task_ids" not in str(failed.value)
    assert failed.value.__cause__ is None


# -- access key and secret key ------------------------------------------------------------------------------


@pytest.mark.parametrize("ahead", [600, -600])
async def test_a_clock_that_is_off_is_mended_once_by_the_servers_date(connect, ahead):
    """1003 or 1004: signed again by the server's clock, and right from the start the next time."""
    tokens = []

    async def handler(request):
        token = request.headers["Authorization"].removeprefix("Bearer ")
        tokens.append(token)
        claims = jwt.decode(
            token, KEY, algorithms=["HS256"], options={"verify_exp": False, "verify_nbf": False}
        )
        now = time.time() + ahead
        date = {"Date": formatdate(now, usegmt=True)}
        if claims["nbf"] > now:
            return error(401, 1003, "not valid yet", **date)
        if claims["exp"] - 1700 < now:
            return error(401, 1004, "expired", **date)
        return web.json_response(
            {"code": 0, "data": {"task_id": "1", "task_status": "submitted"}}, headers=date
        )

    async with serving(handler) as url, connect(url, login="ak", **kling()) as hook:
        await hook.get_task("1")
        await hook.get_task("1")
    assert len(tokens) == 3
    assert tokens[1] == tokens[2]


async def test_a_token_that_stays_refused_is_an_error_after_the_second_try(connect):
    calls = []

    async def handler(request):
        calls.append(request.path)
        return error(401, 1004, "expired")

    async with serving(handler) as url, connect(url, login="ak", **kling()) as hook:
        with pytest.raises(KlingAuthError, match="clock"):
            await hook.get_task("1")
    assert len(calls) == 2


# -- reads --------------------------------------------------------------------------------------------------


async def test_many_tasks_are_read_twenty_at_a_time_and_unknown_ones_are_missing(connect, account):
    account.words = {f"t{number}": "processing" for number in range(45)}
    async with serving(account.answer) as url, connect(url, **kling()) as hook:
        found = await hook.get_tasks([*account.words, "unknown"])
    assert set(found) == set(account.words)
    assert len(account.calls) == 3


async def test_hosts_without_such_reads_get_single_ones_a_few_at_a_time(connect, account):
    account.words = {f"t{number}": "succeed" for number in range(30)}
    account.slowness = 0.02
    async with serving(account.answer) as url, connect(url) as hook:
        found = await hook.get_tasks([*account.words, "unknown"])
        assert set(found) == set(account.words)
        assert len(account.calls) == 31
        assert 1 < account.most_at_once <= 8
        for refused in (hook.find(["x"]), hook.list_tasks(), hook.account()):
            with pytest.raises(KlingRequestError):
                await refused


async def test_an_unknown_task_in_both_designs(connect, account):
    async with serving(account.answer) as url:
        for fields in ({}, kling(), kling(api="legacy")):
            async with connect(url, **fields) as hook:
                with pytest.raises(KlingTaskNotFound, match="does not know task nope"):
                    await hook.get_task("nope")


async def test_tasks_are_found_by_external_id(connect, account):
    account.words = {"t1": "succeeded", "t2": "failed", "t3": "processing"}
    account.externals = {"t1": "af-1", "t2": "af-1", "t3": "af-3"}
    async with serving(account.answer) as url, connect(url, **kling()) as hook:
        found = await hook.find(["af-1", "af-2", "af-3"])
    assert {external: sorted(t.kling_task_id for t in tasks) for external, tasks in found.items()} == {
        "af-1": ["t1", "t2"],
        "af-3": ["t3"],
    }


async def test_with_access_key_and_secret_key_ids_are_looked_up_one_by_one(connect, account):
    """``/tasks`` refuses them; a legacy read takes an external id in the place of the task's."""
    paths = []

    async def handler(request):
        paths.append(request.path)
        if request.path.endswith("af-1"):
            return ok({"task_id": "t1", "task_status": "succeed", "task_info": {"external_task_id": "af-1"}})
        return error(400, 1201, "Task not found by id/external id: x")

    async with serving(handler) as url, connect(url, login="ak", **kling()) as hook:
        found = await hook.find(["af-1", "af-2"], type="image_to_video")
    assert [task.kling_task_id for task in found.pop("af-1")] == ["t1"]
    assert not found
    assert paths == ["/v1/videos/image2video/af-1", "/v1/videos/image2video/af-2"]


async def test_a_list_is_read_to_its_end(connect):
    bodies = []

    async def handler(request):
        bodies.append(body := await request.json())
        page = int(body.get("cursor", "0"))
        tasks = [{"id": f"t{page}", "status": "processing"}]
        return ok({"result": tasks, "count": 1, "next_cursor": str(page + 1), "has_more": page < 2})

    since = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
    async with serving(handler) as url, connect(url, **kling()) as hook:
        tasks = await hook.list_tasks(since, statuses=["processing"], product_types=["video"])
    assert [task.kling_task_id for task in tasks] == ["t0", "t1", "t2"]
    assert bodies[0]["start_time"] == int(since.timestamp() * 1000)
    assert bodies[0]["filters"] == [
        {"key": "status", "values": ["processing"]},
        {"key": "product_type", "values": ["video"]},
    ]
    assert [body.get("cursor") for body in bodies] == [None, "1", "2"]


async def test_the_accounts_packs(connect, account):
    account.packs = [
        {
            "resource_pack_name": "Trial-Video-100Units-5Con-1Months",
            "remaining_quantity": 12.5,
            "status": "online",
        }
    ]
    async with serving(account.answer) as url, connect(url, **kling()) as hook:
        (pack,) = await hook.account()
    assert (pack.concurrency, pack.remaining) == (5, Decimal("12.5"))


# -- the session --------------------------------------------------------------------------------------------


async def test_callers_at_the_same_time_share_one_session_and_a_closed_hook_opens_again(connect, account):
    account.words = {"t1": "processing"}
    peers = set()

    async def handler(request):
        peers.add(request.transport.get_extra_info("peername"))
        return await account.answer(request)

    async with serving(handler) as url:
        hook = connect(url, **kling())
        for _ in range(3):
            await hook.get_task("t1")
        assert len(peers) == 1
        await hook.close()
        await asyncio.gather(*(hook.get_task("t1") for _ in range(4)))
        await hook.close()
        await hook.close()


async def test_a_wrong_connection_says_what_is_wrong(connect):
    async with connect("http://127.0.0.1:9", extra={"api": "both"}) as hook:
        with pytest.raises(KlingRequestError, match="extra api"):
            await hook.get_task("1")

# SPDX-License-Identifier: Apache-2.0
"""What of a URL only signs it: the ways to sign that are known, written down once more, each of them whole only."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_provider.api.redaction import redact_url
from kling_provider.api.signatures import stand_in, without_signature

HEX, OTHER = "0a" * 16, "1b" * 16
AKAMAI = "st=1~exp=1800000000~acl=/*~hmac="
SIGNED = {
    "AWS v4": "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=c&X-Amz-Date=d&X-Amz-Expires=900&X-Amz-SignedHeaders=host&X-Amz-Security-Token=t&X-Amz-Signature=s",
    "AWS v2": "AWSAccessKeyId=a&Signature=s&Expires=1&x-amz-security-token=t",
    "Google v4": "X-Goog-Algorithm=GOOG4&X-Goog-Credential=c&X-Goog-Date=d&X-Goog-Expires=9&X-Goog-SignedHeaders=host&X-Goog-Signature=s",
    "Google v2": "GoogleAccessId=g&Expires=1&Signature=s",
    "Azure": "sv=2024-11-04&ss=b&srt=o&st=1&se=2&sr=b&sp=r&spr=https&skoid=1&sktid=2&skt=3&ske=4&sks=b&skv=5&sig=s",
    "Azure, by a policy": "sv=2024-11-04&si=readers&sr=c&sig=s",
    "Alibaba v1": "OSSAccessKeyId=a&Expires=1&Signature=s&security-token=t",
    "Alibaba v4": "x-oss-signature-version=OSS4&x-oss-credential=c&x-oss-date=d&x-oss-expires=9&x-oss-signature=s&x-oss-security-token=t",
    "ByteDance TOS": "X-Tos-Algorithm=T&X-Tos-Credential=c&X-Tos-Date=d&X-Tos-Expires=9&X-Tos-SignedHeaders=host&X-Tos-Signature=s",
    "Tencent COS": "q-sign-algorithm=sha1&q-ak=a&q-sign-time=1&q-key-time=1&q-header-list=&q-url-param-list=&q-signature=s&x-cos-security-token=t",
    "Huawei OBS": "AccessKeyId=a&Expires=1&Signature=s&x-obs-security-token=t",
    "Qiniu": f"e=1800000000&token={'k' * 40}:{'s' * 27}=",
    "Baidu BOS": "authorization=bce-auth-v1/k/2026-01-01T00:00:00Z/900/host/s",
    "CloudFront": "Expires=1&Signature=s&Key-Pair-Id=k",
    "CloudFront, by a policy": "Policy=p&Signature=s&Key-Pair-Id=k&Hash-Algorithm=SHA256",
    "Akamai": f"hdnts={AKAMAI}{HEX}",
    "Alibaba CDN": f"auth_key=1800000000-0-0-{HEX}",
    "Wangsu": f"wsSecret={HEX}&wsTime=1800000000",
    "Tencent CDN": f"txSecret={HEX}&txTime=6ABCDEF0",
    "ByteDance CDN": "x-expires=1800000000&x-signature=s",
    "Discord": f"ex=67aa&is=67ab&hm={HEX}",
    "nginx": "md5=_e4Nc3iduzkWRm01TBBNYw&expires=2147483647",
    "nginx, by its examples": "st=_e4Nc3iduzkWRm01TBBNYw&e=2147483647",
    "imgix": f"expires=1800000000&s={HEX}",
    "Kling": "cacheKey=c&x-kcdn-pid=112781&ksSecret=s&ksTime=694fa816",
    "Kling, by CloudFront": "cacheKey=c&x-kcdn-pid=112781&Expires=1768112080&Signature=s&Key-Pair-Id=K1",
    "Kling, mainland": "cacheKey=c&x-kcdn-pid=112757&pkey=p",
}  # fmt: skip
BARE = "https://images.example/a.png"


@pytest.mark.parametrize("query", SIGNED.values(), ids=SIGNED)
def test_a_whole_signature_is_left_out_in_any_order(query: str) -> None:
    for pairs in (query.split("&"), query.split("&")[::-1]):
        assert without_signature(f"{BARE}?w=400&{'&'.join(pairs)}&v=2") == f"{BARE}?w=400&v=2"
    assert without_signature(f"{BARE}?{query.upper().partition('=')[0]}=x") != BARE


@pytest.mark.parametrize("query", SIGNED.values(), ids=SIGNED)
def test_of_a_signature_nothing_alone_is_left_out(query: str) -> None:
    names = [pair.partition("=")[0] for pair in query.split("&")]
    for name in names:
        one, other = (stand_in(f"{BARE}?{name}={who}") for who in ("leo", "mia"))
        assert one != other, name


@pytest.mark.parametrize(
    ("leo", "mia"),
    [
        ("md5=d41d8cd98f00b204e9800998ecf8427e&expires=1", "md5=0cc175b9c0f1b6a831c399e269772661&expires=1"),
        ("s=200&expires=1800000000", "s=400&expires=1800000000"),
        (f"s=200&s={HEX}&expires=1", f"s=400&s={HEX}&expires=1"),
        ("ex=1&hm=leo", "ex=1&hm=mia"),
        ("sig=leo&se=1&sp=r", "sig=mia&se=1&sp=r"),
        ("signature=leo&policy=home", "signature=mia&policy=home"),
        (f"hdnts={HEX}", f"hdnts={OTHER}"),
        ("x-amz-signature=leo&x-amz-date=1", "x-amz-signature=mia&x-amz-date=1"),
        ("token=leo&e=1", "token=mia&e=1"),
        ("sign=leo&t=1800000000", "sign=mia&t=1800000000"),
    ],
)
def test_what_looks_like_a_signature_and_is_none_tells_two_images_apart(leo: str, mia: str) -> None:
    assert stand_in(f"{BARE}?{leo}") != stand_in(f"{BARE}?{mia}")


@pytest.mark.parametrize(
    ("url", "same"),
    [
        ("HTTPS://Images.Example:443/a.png#top", BARE),
        ("https://images.example:/a.png", BARE),
        ("http://images.example:80/a.png", "http://images.example/a.png"),
        ("https://user:pass@images.example/a.png", BARE),
        ("https://[::1]:443/a.png", "https://[::1]/a.png"),
        ("https://images.example:80/a.png", "https://images.example:80/a.png"),
        ("http://images.example:443/a.png", "http://images.example:443/a.png"),
        (f"{BARE}?a=1&a=2&empty=&&flag", f"{BARE}?a=1&a=2&empty=&flag"),
        (f"{BARE}?x-oss-process=image/resize,w_1", f"{BARE}?x-oss-process=image/resize,w_1"),
    ],
)
def test_what_else_is_left_out(url: str, same: str) -> None:
    assert without_signature(url) == stand_in(url) == redact_url(url) == same


@given(
    st.lists(
        st.tuples(st.sampled_from(sorted({p.partition("=")[0] for q in SIGNED.values() for p in q.split("&")})),
                  st.from_regex(r"[a-z0-9]{1,5}", fullmatch=True)),
        max_size=4,
    )
)  # fmt: skip
def test_a_stand_in_never_shows_what_may_grant_access(pairs: list[tuple[str, str]]) -> None:
    url = f"{BARE}?{'&'.join(f'{name}=qq{value}' for name, value in pairs)}"
    shown = redact_url(url)
    assert shown.startswith(BARE)
    assert "qq" not in shown or {name for name, _ in pairs} & {
        "ex",
        "is",
        "hm",
        "md5",
        "s",
        "st",
        "e",
        "Hash-Algorithm",  # it names an algorithm
        *AZURE,
    }


AZURE = {"sv", "ss", "srt", "se", "sr", "sp", "spr", "skoid", "sktid", "skt", "ske", "sks", "skv", "si"}


@pytest.mark.parametrize("name", ["access_token", "signature", "api_key", "X-Amz-Credential", "sessionid"])
def test_what_may_choose_and_may_grant_counts_by_its_hash(name: str) -> None:
    one, other = (stand_in(f"{BARE}?{name}={value}&id=5") for value in ("leo", "mia"))
    assert one != other
    assert "leo" not in one
    assert one.startswith(f"{BARE}?{name}=sha256:")
    assert one.endswith("&id=5")
    assert redact_url(f"{BARE}?{name}=leo&id=5") == f"{BARE}?id=5"


def test_signatures_of_two_kinds_do_not_complete_each_other() -> None:
    halves = ["Signature=s", "X-Goog-Expires=9", "sv=1", "ksTime=2", "q-ak=3", "hm=4"]
    for one, other in combinations(halves, 2):
        assert stand_in(f"{BARE}?{one}&{other}") != BARE

# SPDX-License-Identifier: Apache-2.0
"""Which parts of a URL only sign it, and which may grant access.

Without the parts that sign it, a link that was signed anew stands for the same file. What may grant access is never shown.

Most names that signatures use mean something else elsewhere: ``sign=leo``, ``policy=home`` or ``exp=happy`` may
choose the image. So nothing is left out for its name alone, only what stands beside the rest of its signature.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from urllib.parse import unquote_plus, urlsplit, urlunsplit


@dataclass(frozen=True, slots=True)
class _Scheme:
    """One way to sign a URL; names are in lower case.

    :param needs: of each group a name must be there: the signature, and its expiry or the id of its key.
    :param more: what else it may add to the query.
    :param like: what the value must look like, where a name is an everyday word as well.
    """

    needs: tuple[frozenset[str], ...]
    more: frozenset[str] = frozenset()
    like: Mapping[str, re.Pattern[str]] = field(default_factory=dict)

    def find_names(self, query: Mapping[str, Sequence[str]]) -> frozenset[str]:
        """Return the names in ``query`` (name to values) that belong to this signature; none where it is incomplete."""
        here = frozenset(
            name
            for name, values in query.items()
            if name not in self.like or all(self.like[name].fullmatch(value) for value in values)
        )
        if not all(group & here for group in self.needs):
            return frozenset()
        return here & self.more.union(*self.needs)


def _make_scheme(*needs: str, more: str = "", **like: str) -> _Scheme:
    """Make a scheme from groups and names that are written as words separated by blanks."""
    return _Scheme(
        tuple(frozenset(group.split()) for group in needs),
        frozenset(more.split()),
        {name: re.compile(pattern) for name, pattern in like.items()},
    )


def _make_version_4(store: str) -> _Scheme:
    """Make the scheme of ``X-Amz-Signature`` for a store that adopted AWS's signature version 4."""
    names = "algorithm date signedheaders security-token signature-version additional-headers"
    return _make_scheme(
        f"x-{store}-signature",
        f"x-{store}-credential x-{store}-expires x-{store}-access-key-id",
        more=" ".join(f"x-{store}-{name}" for name in names.split()),
    )


#: Pinned: what is left out here enters no identity. A row more, or less, pays again for requests with such a link.
_SCHEMES = (
    *(_make_version_4(store) for store in ("amz", "goog", "oss", "tos", "cos", "obs")),
    # AWS v2, Google's and Alibaba's first version, Huawei OBS; and whatever else signs by these two words.
    _make_scheme(
        "signature",
        "expires awsaccesskeyid googleaccessid ossaccesskeyid accesskeyid",
        more="security-token x-amz-security-token x-oss-security-token x-obs-security-token x-oss-signature-version",
    ),
    # CloudFront, with a canned or a custom policy.
    _make_scheme("signature", "key-pair-id", more="expires policy hash-algorithm"),
    # Azure's shared access signature: an expiry, or the name of a stored policy.
    _make_scheme(
        "sig",
        "sv",
        "se si",
        more="sr st sp spr sip ss srt sdd ses skoid sktid skt ske sks skv saoid suoid scid",
    ),
    # Tencent COS.
    _make_scheme(
        "q-signature",
        "q-ak q-sign-time q-key-time",
        more="q-sign-algorithm q-header-list q-url-param-list x-cos-security-token",
    ),
    # Qiniu: the token is key id and signature, with a colon between.
    _make_scheme("token", "e", token=r"[\w-]{20,}:[\w=-]{20,}", e=r"\d{9,}"),
    # Baidu BOS; Akamai; Alibaba's and ByteDance's CDN: one value that holds expiry and signature.
    _make_scheme("authorization", authorization=r"bce-auth-v1/.+"),
    *(
        _make_scheme(name, **{name: r"(?=.*(?:^|~)exp=\d)(?=.*(?:^|~)hmac=[0-9a-fA-F]).*"})
        for name in ("hdnts", "hdnea", "hdntl", "__token__")
    ),
    _make_scheme("auth_key", auth_key=r"\d{9,}-[^-]+-[^-]+-[0-9a-fA-F]{32}"),
    # The CDNs of Wangsu, Tencent, ByteDance.
    _make_scheme("wssecret", "wstime wsabstime"),
    _make_scheme("txsecret", "txtime"),
    _make_scheme("x-signature", "x-expires"),
    # Discord's attachments.
    _make_scheme("ex", "is", "hm"),
    # nginx's secure_link, by its manual and by its examples. Its hash is no hex: that would be a file's own.
    _make_scheme("md5", "expires", md5=r"(?![0-9a-fA-F]{32}$).*", expires=r"\d+"),
    _make_scheme("st", "e", st=r"[\w-]{22}", e=r"\d{9,}"),
    # imgix, also under a domain of one's own. Elsewhere an s is a size.
    _make_scheme("s", "expires", s=r"[0-9a-f]{32}", expires=r"\d+"),
    # Kling's own results, which may be the next request's first frame.
    _make_scheme("kssecret", "kstime", more="cachekey x-kcdn-pid pkey"),
    _make_scheme("cachekey", "x-kcdn-pid", more="pkey"),
)

_DEFAULT_PORT = {"http": ":80", "https": ":443"}


def without_signature(url: str) -> str:
    """Return ``url`` without user part, fragment, default port and the parameters that only sign it.

    The other parameters keep their order and spelling: they may choose what is served.

    :raises ValueError: where it is not a URL.
    """
    parts = urlsplit(url)
    scheme = parts.scheme.lower()
    host = parts.netloc.rpartition("@")[2].lower().removesuffix(":")
    host = host.removesuffix(_DEFAULT_PORT.get(scheme, ":"))
    return urlunsplit((scheme, host, parts.path, "&".join(_drop_signature(parts.query)), ""))


def stand_in(url: str) -> str:
    """Return what represents ``url`` in an identity: without its signature, and with values that may grant access hashed.

    Such a value may choose the file as well (``?access_token=leo``), so it counts; but people read the result.

    :raises ValueError: where it is not a URL.
    """
    parts = urlsplit(without_signature(url))
    pairs = [
        _hash_value(pair) if may_grant_access(name_of_pair(pair)) else pair for pair in parts.query.split("&")
    ]
    return urlunsplit(parts._replace(query="&".join(pairs)))


def _drop_signature(query: str) -> list[str]:
    pairs = [pair for pair in query.split("&") if pair]
    values: dict[str, list[str]] = {}
    for pair in pairs:
        values.setdefault(name_of_pair(pair), []).append(unquote_plus(pair.partition("=")[2]))
    signing = frozenset[str]().union(*(scheme.find_names(values) for scheme in _SCHEMES))
    return [pair for pair in pairs if name_of_pair(pair) not in signing]


def name_of_pair(pair: str) -> str:
    """Return the name of ``name=value`` in a query, decoded and in lower case."""
    return unquote_plus(pair.partition("=")[0]).strip().lower()


def _hash_value(pair: str) -> str:
    name, _, value = pair.partition("=")
    return f"{name}=sha256:{sha256(value.encode(errors='surrogatepass')).hexdigest()[:16]}"


#: Parameters that may grant access or belong to what does, wherever they stand. A name more is a value less to read.
# fmt: off
_GRANTS = frozenset({
    "sign", "sig", "expires", "expire", "expiry", "exp", "policy", "key-pair-id", "jwt", "sid", "otp", "hmac",
    "awsaccesskeyid", "googleaccessid", "ossaccesskeyid", "accesskeyid", "access_key_id",
    "access_key", "accesskey", "api_key", "apikey", "api-key", "key", "auth", "auth_key", "authkey", "pwd",
    # Kling's own result links.
    "kstime", "cachekey", "pkey", "x-kcdn-pid",
    # Akamai, Wangsu, Tencent Cloud, ByteDance.
    "hdnts", "hdnea", "hdntl", "wstime", "wsabstime", "txtime", "x-expires",
    "q-sign-algorithm", "q-ak", "q-sign-time", "q-key-time", "q-header-list", "q-url-param-list",
})
# fmt: on
_GRANT_WORDS = ("token", "signature", "secret", "credential", "passw", "session", "authorization")
_GRANT_PREFIXES = ("x-amz-", "x-goog-", "x-oss-", "x-tos-", "x-cos-", "x-obs-")
#: These change the image, whatever they begin with.
_CONTENT = frozenset({"x-oss-process", "x-tos-process", "x-cos-process", "x-obs-process"})


def may_grant_access(name: str) -> bool:
    """Tell whether a query parameter of this name may grant access to what a URL serves.

    :param name: in lower case.
    """
    if name in _CONTENT:
        return False
    return name in _GRANTS or name.startswith(_GRANT_PREFIXES) or any(word in name for word in _GRANT_WORDS)

"""Bodies: tolerant about what is extra, strict about what is wrong."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
import pytest

from nexus.errors import NexusError
from nexus.rest.decode import WARNINGS_MAX, BodyDecoder


class Thing(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    id: Annotated[str, msgspec.Meta(min_length=1)]
    size: int | None = None
    kind: Literal["a", "b"] | None = None
    tags: list[str] | None = None
    labels: dict[str, str] | None = None


def _no_spaces(text: str) -> None:
    if " " in text:
        raise ValueError("has a space")


DECODER = BodyDecoder(
    Thing, aliases={"length": "size"}, field_words={"id": "thing_id"}, checks={"id": _no_spaces}
)


def decode(body: bytes) -> tuple[dict[str, Any], tuple[str, ...]]:
    thing, warnings = DECODER.decode(body)
    given = {k: v for k, v in msgspec.structs.asdict(thing).items() if v is not None}
    return given, warnings


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"id":"x"}', {"id": "x"}),
        (b' {"id":"x"} \n', {"id": "x"}),
        (b'{"id":"x","size":null,"kind":"","tags":null}', {"id": "x"}),
        (b'{"id":"x","length":3}', {"id": "x", "size": 3}),
        (b'{"id":"x","length":3,"size":4}', {"id": "x", "size": 4}),
        (b'{"id":"x","length":3,"size":0}', {"id": "x", "size": 3}),
        (b'{"id":"\\u00e4","kind":"a"}', {"id": "ä", "kind": "a"}),
    ],
)
def test_accepted(body: bytes, expected: dict[str, Any]) -> None:
    assert decode(body) == (expected, ())


def test_unknown_keys_are_told_the_first_few_of_them_and_cut() -> None:
    assert decode(b'{"id":"x","mode":1}')[1] == ("unknown key 'mode' ignored",)
    many = b",".join(b'"k%d":0' % i for i in range(1000))
    assert len(decode(b'{"id":"x",' + many + b"}")[1]) == WARNINGS_MAX
    long = decode(b'{"id":"x","' + b"k" * 100_000 + b'":0}')[1]
    assert len(long[0]) < 100


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"{}", "'thing_id': is required"),
        (b"null", "'thing_id': is required"),
        (b'{"id":""}', "'thing_id': is required"),
        (b'{"id":null}', "'thing_id': is required"),
        (b'{"id":7}', "'thing_id': expected str, got int"),
        (b'{"id":"a b","size":"x"}', "'thing_id': has a space"),
        (b'{"id":"x","size":24.0}', "'size': expected int | null, got float"),
        (b'{"id":"x","size":1e2}', "'size': expected int | null, got float"),
        (b'{"id":"x","size":"24"}', "'size': expected int | null, got str"),
        (b'{"id":"x","size":true}', "'size': expected int | null, got bool"),
        (b'{"id":"x","kind":"c"}', "'kind': Invalid enum value 'c'"),
        (b'{"id":"x","tags":"t"}', "'tags': expected array | null, got str"),
        (b'{"id":"x","tags":[1]}', "'tags[0]': expected str, got int"),
        (b'{"id":"x","tags":[null]}', "'tags[0]': expected str, got null"),
        (b'{"id":"x","labels":{"a":1}}', "'labels[...]': expected str, got int"),
        (b"[]", "'body': must be a JSON object"),
        (b'"x"', "'body': must be a JSON object"),
        (b"7", "'body': must be a JSON object"),
    ],
)
def test_refused_by_field(body: bytes, text: str) -> None:
    with pytest.raises(NexusError) as caught:
        decode(body)
    assert caught.value.code == "validation_failed"
    assert caught.value.message == f"validation error for field {text}"


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b" ", b"{", b"{}x", b"{'id':1}", b'{"id":"x"}{"id":"y"}', b'{"id":"\xff"}'),
        *(b"\xff\xfe", b'{"id":"x","size":NaN}', b"[" * 200_000, b'{"id":' * 200_000),
        *(b'{"id":"x",}', b'{"id":"x","size":01}', b'{"id":"\x00"}', b"\x00"),
    ],
)
def test_what_is_no_json(body: bytes) -> None:
    with pytest.raises(NexusError) as caught:
        decode(body)
    assert caught.value.code == "malformed_json"
    assert caught.value.message == "invalid request body: malformed JSON"


def test_a_body_may_be_optional() -> None:
    class Maybe(msgspec.Struct, forbid_unknown_fields=True):
        ttl: int | None = None

    decoder = BodyDecoder(Maybe)
    for body in (b"", b" \r\n", b"{}", b"null", b'{"ttl":null}'):
        assert decoder.decode(body, optional=True)[0].ttl is None
    assert decoder.decode(b'{"ttl":5}', optional=True)[0].ttl == 5
    with pytest.raises(NexusError):
        decoder.decode(b"x", optional=True)
    with pytest.raises(NexusError):
        decoder.decode(b"")

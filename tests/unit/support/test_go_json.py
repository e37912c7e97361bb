"""The strict decoder refuses what Go refuses, and takes what Go takes."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.support import go_json
from tests.support.go_json import (
    BOOL,
    FLOAT64,
    INT,
    STRING,
    TIME,
    UINT16,
    UINT64,
    GoDecodeError,
    decode_first,
    list_of,
    map_of,
    pointer,
    struct,
    unmarshal,
)

PARTNER = struct("Partner", {"node_id": STRING})
RECORD = struct(
    "Record",
    {
        "ip": STRING,
        "prefix": INT,
        "vlan": UINT16,
        "rate": UINT64,
        "ratio": FLOAT64,
        "ok": BOOL,
        "timestamp": TIME,
        "dns": list_of(STRING),
        "metadata": map_of(STRING),
        "partner": pointer(PARTNER),
    },
)


def test_absent_keys_have_zero_values() -> None:
    value = unmarshal(RECORD, b"{}")
    assert value["ip"] == ""
    assert value["prefix"] == 0
    assert value["dns"] == []
    assert value["partner"] is None
    assert value["timestamp"] == go_json.ZERO_TIME


def test_good_reply() -> None:
    value = unmarshal(
        RECORD,
        b'{"ip":"10.0.0.7","prefix":56,"ratio":2,"ok":true,"dns":["1.1.1.1"],"new":{"x":[1]},'
        b'"timestamp":"2026-01-02T03:04:05.123456Z","partner":{"node_id":"node-1"}} \n',
    )
    assert value["ip"] == "10.0.0.7"
    assert value["prefix"] == 56
    assert value["ratio"] == 2.0
    assert value["timestamp"] == datetime(2026, 1, 2, 3, 4, 5, 123456, tzinfo=UTC)
    assert value["partner"] == {"node_id": "node-1"}


def test_keys_match_without_case_and_the_last_one_wins() -> None:
    assert unmarshal(RECORD, b'{"IP":"a","Prefix":1}')["ip"] == "a"
    assert unmarshal(RECORD, b'{"ip":"a","ip":"b"}')["ip"] == "b"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"  \n",
        b"{",
        b"[]",
        b'"text"',
        b"nope",
        b"{'ip': 1}",
        b'{"prefix":64.0}',
        b'{"prefix":6e1}',
        b'{"prefix":"64"}',
        b'{"prefix":true}',
        b'{"prefix":9223372036854775808}',
        b'{"vlan":65536}',
        b'{"vlan":-1}',
        b'{"vlan":-0}',
        b'{"rate":18446744073709551616}',
        b'{"ip":10}',
        b'{"ip":["10.0.0.1"]}',
        b'{"ok":"true"}',
        b'{"ok":1}',
        b'{"ratio":NaN}',
        b'{"ratio":Infinity}',
        b'{"ratio":1e999}',
        b'{"dns":"1.1.1.1"}',
        b'{"dns":{}}',
        b'{"dns":[1]}',
        b'{"metadata":[]}',
        b'{"metadata":{"a":1}}',
        b'{"partner":"node-1"}',
        b'{"partner":{"node_id":7}}',
        b'{"timestamp":""}',
        b'{"timestamp":1700000000}',
        b'{"timestamp":"2026-01-02 03:04:05Z"}',
        b'{"timestamp":"2026-01-02T03:04:05"}',
        b'{"timestamp":"2026-01-02T03:04:05.Z"}',
        b'{"timestamp":"2026-02-30T03:04:05Z"}',
        b'{"timestamp":"2026-01-02T24:00:00Z"}',
        b'{"timestamp":"2026-01-02t03:04:05z"}',
        b'{"ip":"a\nb"}',
        b'{"ip":01}',
    ],
)
def test_refused_as_in_go(body: bytes) -> None:
    with pytest.raises(GoDecodeError):
        unmarshal(RECORD, body)


@pytest.mark.parametrize("body", [b'{"dns":null}', b'{"ip":null}', b'{"other":{"deep":[null]}}'])
def test_null_is_refused_unless_go_itself_is_meant(body: bytes) -> None:
    with pytest.raises(GoDecodeError, match="null at Record"):
        unmarshal(RECORD, body)
    assert unmarshal(RECORD, body, allow_null=True) == unmarshal(RECORD, b"{}")


def test_trailing_bytes_fail_unmarshal_but_not_a_stream_decoder() -> None:
    assert decode_first(RECORD, b'{"ip":"a"}{"ip":"b"}')["ip"] == "a"
    with pytest.raises(GoDecodeError, match="after top-level value"):
        unmarshal(RECORD, b'{"ip":"a"} x')


def test_offsets_and_long_fractions_are_times() -> None:
    value = unmarshal(RECORD, b'{"timestamp":"2026-01-02T03:04:05.123456789+02:00"}')
    assert value["timestamp"] == datetime(2026, 1, 2, 1, 4, 5, 123456, tzinfo=UTC)


def test_bad_utf8_and_lone_surrogates_become_replacement_characters() -> None:
    assert unmarshal(RECORD, b'{"ip":"a\xffb"}')["ip"] == "a�b"
    assert unmarshal(RECORD, rb'{"ip":"a\ud800b"}')["ip"] == "a�b"


def test_the_message_names_the_field() -> None:
    with pytest.raises(GoDecodeError, match=r"number 64\.0 .* type int at Record\.prefix"):
        unmarshal(RECORD, b'{"prefix":64.0}')

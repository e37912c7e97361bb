"""What passes between members keeps its types, and nothing else passes."""

from __future__ import annotations

import pytest

from nexus import codec
from nexus.core.messages import Forward, Forwarded, Wrapped
from nexus.core.operations.allocate import Allocate
from nexus.core.operations.delete_pool import DeletePool
from nexus.core.operations.renew import Renew
from nexus.core.wrapping import unwrap_answer, unwrap_request, wrap
from nexus.errors import NexusError
from nexus.model.views import AllocationView, Done
from nexus.ownership.values import Session

VIEW = AllocationView("p", "a", "10.0.0.1", "ipv4", "session", 3, 17, ends_us=18, warnings=("w",))


@pytest.mark.parametrize("request_", [Allocate("p", "a", ttl_s=60), Renew("a", "p")])
def test_a_request_passes_the_codec_with_its_type(request_):
    message = Forward(1, Session(2, 3), wrap(request_), "cause", "actor", ("n1",))
    received = codec.decode_message(codec.encode_message(message))
    assert unwrap_request(received.request) == request_


@pytest.mark.parametrize("answer", [VIEW, Done(("note",))])
def test_an_answer_passes_the_codec_with_its_type(answer):
    message = Forwarded(1, Session(2, 3), wrap(answer), 4)
    received = codec.decode_message(codec.encode_message(message))
    assert unwrap_answer(received.answer) == answer


def test_a_refusal_keeps_code_definiteness_and_detail():
    detail = {"allocation": VIEW, "retry_after_s": 2}
    back = unwrap_answer(wrap(NexusError("allocation_exists", "text", definite=False, **detail)))
    assert isinstance(back, NexusError)
    assert (back.code, back.message, back.definite) == ("allocation_exists", "text", False)
    assert back.detail == detail


def test_requests_that_may_not_travel_are_not_unwrapped():
    assert unwrap_request(wrap(DeletePool("p", force=True))) is None
    assert unwrap_request(Wrapped("Allocate", b"\xc1")) is None


def test_an_answer_that_does_not_decode_is_no_success():
    back = unwrap_answer(Wrapped("AllocationView", b"\xc0"))
    assert isinstance(back, NexusError)
    assert back.code == "internal_error"
    assert not back.definite

"""One file out of a ``multipart/form-data`` body (RFC 7578) that is in memory already."""

from __future__ import annotations

from email.message import Message
from email.parser import BytesHeaderParser

from nexus.errors import NexusError, validation

PARTS_MAX = 32
"""Parts of a form that are looked at; a browser sends one."""

_CRLF = b"\r\n"


def is_multipart(content_type: str) -> bool:
    """Whether a request's ``Content-Type`` announces a form with parts."""
    return content_type.strip().lower().startswith("multipart/")


def form_file(content_type: str, body: bytes, field: str) -> bytes:
    """Content of the part with this name.

    Raises
    ------
    NexusError : validation_failed, when the form is malformed or has no such part.
    """
    header = Message()
    header["Content-Type"] = content_type
    boundary = header.get_boundary()
    if not boundary:
        raise _malformed("Content-Type names no boundary")
    marker = b"\r\n--" + boundary.encode("latin-1", "replace")
    pieces = (_CRLF + body).split(marker, PARTS_MAX + 1)
    for piece in pieces[1:]:
        if piece.startswith(b"--"):
            raise validation(field, "the form has no such part")
        head, blank, content = piece.partition(_CRLF + _CRLF)
        if not blank or not head.startswith(_CRLF):
            raise _malformed("a part has no header")
        if _name(head) == field:
            if piece is pieces[-1]:
                raise _malformed("the last part has no end")
            return content
    raise _malformed("it has no end" if len(pieces) <= PARTS_MAX else "too many parts")


def _name(head: bytes) -> object:
    part = BytesHeaderParser().parsebytes(head.removeprefix(_CRLF))
    return part.get_param("name", header="content-disposition")


def _malformed(why: str) -> NexusError:
    return validation("body", f"malformed multipart form: {why}")

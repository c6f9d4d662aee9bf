from __future__ import annotations

import contextlib
import http.client
import json
import os
import random
import signal
import socket
import ssl
import time
from email.message import Message
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.gcs.asking import ask, object_target, send_chunk, start_upload
from tests.fakes.gcs.emulator import Gcs
from tests.fakes.gcs.emulator import gcs as run_gcs
from tests.fakes.gcs.faults import Fault
from tests.fakes.gcs.lines import SLACK_SECONDS, Line
from tests.fakes.gcs.messages import Request
from tests.fakes.gcs.sessions import STEP_BYTES, RangeError, Session


def session() -> Session:
    return Session(Request("POST", "/", Message(), ""))


@given(
    num_bytes=st.integers(0, 5 * STEP_BYTES),
    chunk_steps=st.integers(1, 3),
    troubles=st.lists(st.tuples(st.sampled_from(["none", "cut", "repeat"]), st.floats(0, 1)), max_size=12),
    known=st.booleans(),
)
def test_a_session_ends_with_the_bytes_whatever_is_cut_or_repeated(
    num_bytes: int, chunk_steps: int, troubles: list[tuple[str, float]], known: bool
) -> None:
    data = random.Random(num_bytes).randbytes(num_bytes)
    upload = session()
    done = num_bytes == 0 and upload.receive("bytes */0", b"", complete=True)
    for trouble, fraction in [*troubles, *[("none", 0.0)] * 8]:
        if done:
            break
        first = len(upload.kept)
        chunk = data[first : first + chunk_steps * STEP_BYTES]
        last = first + len(chunk)
        content_range = f"bytes {first}-{last - 1}/{num_bytes if known or last == num_bytes else '*'}"
        sent = chunk[: int(fraction * (len(chunk) - 1))] if trouble == "cut" else chunk
        done = upload.receive(content_range, sent, complete=trouble != "cut")
        assert done == (trouble != "cut" and last == num_bytes)
        if trouble == "repeat" and not done:
            assert not upload.receive(content_range, sent, complete=True)
        assert done or len(upload.kept) % STEP_BYTES == 0
    assert done
    assert upload.kept == data


@pytest.mark.parametrize(
    ("content_range", "num_bytes", "status"),
    [
        ("bytes 10-19/30", 10, 503),
        ("bytes 0-9/30", 9, 400),
        ("bytes 0-9/5", 10, 400),
        ("bytes 9", 10, 400),
    ],
)
def test_a_session_refuses_gaps_and_contradictions(content_range: str, num_bytes: int, status: int) -> None:
    upload = session()
    with pytest.raises(RangeError, match=r"Content-Range") as refused:
        upload.receive(content_range, bytes(num_bytes), complete=True)
    assert refused.value.status == status
    assert not upload.kept


def test_a_line_takes_one_byte_after_the_other() -> None:
    line = Line()
    waits = [line.reserve(1_000_000, 10.0, now=100.0) for _ in range(10)]
    assert waits == pytest.approx([0.1 * number - SLACK_SECONDS for number in range(1, 11)])
    # Nothing is saved up for later while it lies idle.
    assert line.reserve(1_000_000, 10.0, now=200.0) == pytest.approx(0.1 - SLACK_SECONDS)
    assert line.reserve(1_000_000, None, now=200.0) == 0


def test_a_finished_session_answers_the_same_again(gcs: Gcs) -> None:
    target = start_upload(gcs, "a/b c+d%")
    assert send_chunk(gcs, target, b"", "bytes */3").status == 308
    first = send_chunk(gcs, target, b"abc", "bytes 0-2/3")
    assert (first.status, first.json["name"]) == (200, "a/b c+d%")
    for again in (send_chunk(gcs, target, b"abc", "bytes 0-2/3"), send_chunk(gcs, target, b"", "bytes */3")):
        assert (again.status, again.body) == (200, first.body)
    assert gcs.read("a/b c+d%") == b"abc"
    gone = target.rpartition("=")[0] + "=another"
    assert send_chunk(gcs, gone, b"abc", "bytes 0-2/3").status == 404


def test_a_cancelled_session_is_gone(gcs: Gcs) -> None:
    target = start_upload(gcs, "never")
    assert ask(gcs, "DELETE", target).status == 499
    assert send_chunk(gcs, target, b"abc", "bytes 0-2/3").status == 404
    assert gcs.names() == []


def test_uploads_of_every_kind_honour_a_precondition(gcs: Gcs) -> None:
    upload = f"/upload/storage/v1/b/{gcs.bucket}/o?uploadType=media&ifGenerationMatch=0&name="
    assert ask(gcs, "POST", upload + "media", b"1").status == 200
    assert ask(gcs, "POST", upload + "media", b"2").status == 412
    gcs.write("session", b"1")
    target = start_upload(gcs, "session", "&ifGenerationMatch=0")
    assert send_chunk(gcs, target, b"2", "bytes 0-0/1").status == 412
    assert (gcs.read("media"), gcs.read("session")) == (b"1", b"1")


def test_an_upload_into_no_bucket_ends_at_its_start(gcs: Gcs) -> None:
    assert ask(gcs, "POST", "/upload/storage/v1/b/nowhere/o?uploadType=resumable&name=x", b"{}").status == 404


def test_links_lead_back_to_the_front(gcs: Gcs) -> None:
    gcs.write("a/b c", b"data")
    metadata = ask(gcs, "GET", object_target(gcs, "a/b c")).json
    assert metadata["selfLink"].startswith(f"{gcs.url}/storage/")
    assert metadata["mediaLink"].startswith(f"{gcs.url}/download/")
    reply = ask(gcs, "GET", metadata["mediaLink"].removeprefix(gcs.url), headers={"Range": "bytes=1-2"})
    assert (reply.status, reply.body) == (206, b"at")
    assert gcs.counts().operations == {"metadata": 1, "download": 1}


def test_a_connection_survives_a_range_behind_the_end(gcs: Gcs) -> None:
    gcs.write("empty", b"")
    address = urlsplit(gcs.url)
    connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=30)
    with contextlib.closing(connection):
        for _ in range(20):
            connection.request("GET", f"/{gcs.bucket}/empty", headers={"Range": "bytes=0-9"})
            reply = connection.getresponse()
            assert (reply.status, json.loads(reply.read())["error"]["code"]) == (416, 416)
            connection.request("GET", object_target(gcs, "empty"))
            assert json.loads(connection.getresponse().read())["size"] == "0"
    assert gcs.counts().connections == 1


def exchange(stream: socket.socket, message: bytes) -> bytes:
    stream.sendall(message)
    stream.settimeout(30)
    pieces = []
    while piece := stream.recv(65_536):
        pieces.append(piece)
    return b"".join(pieces)


def connect(gcs: Gcs) -> socket.socket:
    address = urlsplit(gcs.url)
    return socket.create_connection((str(address.hostname), int(address.port or 0)), 30)


def test_a_chunked_upload_with_a_length_is_stored_without_its_framing(gcs: Gcs) -> None:
    message = (
        f"POST /upload/storage/v1/b/{gcs.bucket}/o?uploadType=media&name=x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        "Content-Length: 7\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n"
    )
    with connect(gcs) as stream:
        assert exchange(stream, message.encode()).startswith(b"HTTP/1.1 200 ")
    assert gcs.read("x") == b"abcdefg"


def test_an_empty_post_with_identity_coding_is_answered(gcs: Gcs) -> None:
    message = (
        f"POST /upload/storage/v1/b/{gcs.bucket}/o?uploadType=resumable&name=x HTTP/1.1\r\nHost: x\r\n"
        "Connection: close\r\nTransfer-Encoding: identity\r\n\r\n"
    )
    with connect(gcs) as stream:
        assert exchange(stream, message.encode()).startswith(b"HTTP/1.1 200 ")


BATCH = """\
--one
Content-Type: application/http

DELETE {url}/storage/v1/b/petals/o/a HTTP/1.1

--one
Content-Type: application/http

POST {url}/storage/v1/b/petals/o/b/copyTo/b/petals/o/folder%2Fc HTTP/1.1
Content-Type: application/json

{{}}
--one
Content-Type: application/http

DELETE {url}/storage/v1/b/petals/o/nothing HTTP/1.1

--one--
"""


@pytest.mark.parametrize(
    ("faults", "statuses", "names"),
    [
        ((), [204, 200, 404], ["b", "folder/c"]),
        ((Fault("503", path="/o/a$"),), [503, 200, 404], ["a", "b", "folder/c"]),
        ((Fault("503_after", path="/o/a$"),), [503, 200, 404], ["b", "folder/c"]),
        ((Fault("403", method="DELETE"),), [403, 200, 403], ["a", "b", "folder/c"]),
    ],
)
def test_each_part_of_a_batch_is_answered_for_itself(
    gcs: Gcs, faults: tuple[Fault, ...], statuses: list[int], names: list[str]
) -> None:
    gcs.write("a", b"1")
    gcs.write("b", b"2")
    gcs.configure(faults=faults)
    body = BATCH.format(url=gcs.url).encode()
    headers = {"Content-Type": 'multipart/mixed; boundary="one"'}
    reply = ask(gcs, "POST", "/batch/storage/v1", body, headers)
    assert reply.status == 200
    lines = reply.body.decode().split("\r\n")
    assert [int(line.split(" ")[1]) for line in lines if line.startswith("HTTP/1.1 ")] == statuses
    assert gcs.names() == names
    assert sum(gcs.counts().faults.values()) == sum(status in (403, 503) for status in statuses)


def test_the_layout_of_a_bucket_is_flat(gcs: Gcs) -> None:
    layout = ask(gcs, "GET", f"/storage/v1/b/{gcs.bucket}/storageLayout")
    assert layout.json["hierarchicalNamespace"] == {"enabled": False}
    assert ask(gcs, "GET", "/storage/v1/b/nowhere/storageLayout").status == 404


def test_a_tunnel_ends_in_our_own_certificate(gcs: Gcs) -> None:
    gcs.write("a b", b"data")
    context = ssl.create_default_context(cafile=gcs.environment["CURL_CA_BUNDLE"])
    host = "storage.googleapis.com"
    with connect(gcs) as stream:
        stream.sendall(f"CONNECT {host}:443 HTTP/1.1\r\nHost: {host}:443\r\n\r\n".encode())
        assert stream.recv(65_536).startswith(b"HTTP/1.1 200 ")
        with context.wrap_socket(stream, server_hostname=host) as tunnel:
            request = f"GET {object_target(gcs, 'a b')} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
            body = exchange(tunnel, request.encode()).partition(b"\r\n\r\n")[2]
    assert json.loads(body)["mediaLink"].startswith(f"https://{host}/download/")


@pytest.mark.parametrize("place", ["example.com:443", "storage.googleapis.com:80", "googleapis.com.example.com:443"])
def test_no_tunnel_leads_anywhere_else(gcs: Gcs, place: str) -> None:
    with connect(gcs) as stream:
        stream.sendall(f"CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n\r\n".encode())
        assert stream.recv(65_536).startswith(b"HTTP/1.1 403 ")


def test_only_one_loopback_address_is_served(gcs: Gcs) -> None:
    ports = [urlsplit(gcs.url).port, gcs.emulator_address[1]]
    for port in ports:
        with socket.create_connection(("127.0.0.1", port or 0), 30):
            pass
        # It would answer here, too, if it listened on every address.
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.2", port or 0), 30)


def test_latency_is_added_to_every_request(gcs: Gcs) -> None:
    gcs.write("x", b"data")
    gcs.configure(latency_seconds=0.05)
    begin = time.monotonic()
    for _ in range(6):
        assert ask(gcs, "GET", f"/{gcs.bucket}/x").body == b"data"
    # A lower bound holds on the slowest machine.
    assert time.monotonic() - begin >= 0.3
    counts = gcs.counts()
    assert counts.latency_seconds == pytest.approx(0.3)
    assert counts.operations == {"download": 6}


@pytest.mark.parametrize("name", ["bandwidth_mb", "total_bandwidth_mb"])
def test_bandwidth_is_bounded_both_ways(gcs: Gcs, name: str) -> None:
    data = bytes(500_000)
    gcs.configure(**{name: 2.0})
    begin = time.monotonic()
    reply = ask(gcs, "POST", f"/upload/storage/v1/b/{gcs.bucket}/o?uploadType=media&name=x", data)
    assert reply.status == 200
    assert ask(gcs, "GET", f"/{gcs.bucket}/x").body == data
    assert time.monotonic() - begin >= 0.4
    counts = gcs.counts()
    assert counts.bytes_received == len(data)
    assert counts.bytes_sent >= len(data)
    # How much of the 0.5 s was slept, and how much the machine itself took, is its own affair.
    assert counts.pacing_seconds > 0


def test_folders_go_up_and_come_down(gcs: Gcs, tmp_path: Path) -> None:
    source, copy = tmp_path / "source", tmp_path / "copy"
    files = {"one.txt": b"1", "deep/er/tw o.bin": bytes(range(256)), "empty": b""}
    for name, data in files.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes(data)
    assert gcs.upload(source, "data/") == 3
    assert gcs.names("data/") == sorted(f"data/{name}" for name in files)
    assert gcs.download("data/", copy) == 3
    assert {path.relative_to(copy).as_posix(): path.read_bytes() for path in copy.rglob("*") if path.is_file()} == files
    with pytest.raises(KeyError, match="not in the bucket"):
        gcs.read("data/two")
    # None of this went through the front.
    assert not gcs.counts().operations


def is_alive(pid: int) -> bool:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False


@pytest.mark.usefixtures("gcs_server")
def test_the_emulator_ends_with_a_front_that_is_killed() -> None:
    running = run_gcs()
    own = running.__enter__()
    front, emulator = own.pids
    os.kill(front, signal.SIGTERM)
    # The end of the block would not hide it.
    with pytest.raises(RuntimeError, match="the front ended with status 1"):
        running.__exit__(None, None, None)
    assert not is_alive(emulator)
    assert not Path(own.environment["CURL_CA_BUNDLE"]).exists()


@pytest.mark.usefixtures("gcs_server")
def test_a_failure_of_the_front_itself_does_not_pass_for_a_fault() -> None:
    running = run_gcs()
    own = running.__enter__()
    os.kill(own.pids[1], signal.SIGKILL)
    with pytest.raises((ConnectionError, http.client.RemoteDisconnected)):
        ask(own, "GET", f"/{own.bucket}/x")
    with pytest.raises(RuntimeError, match=r"the front failed(.|\n)*the emulator does not answer GET /download/"):
        running.__exit__(None, None, None)


@pytest.mark.usefixtures("gcs_server")
def test_nothing_is_left_running() -> None:
    with run_gcs("own", latency_seconds=0.01, seed=3) as own:
        own.write("x", b"data")
        assert ask(own, "GET", "/own/x").body == b"data"
        own.configure(seed=4)
        assert own.settings.latency_seconds == 0.01
        ports = [urlsplit(own.url).port, own.emulator_address[1]]
        pids = own.pids
        certificate = own.environment["CURL_CA_BUNDLE"]
        assert all(is_alive(pid) for pid in pids)
    assert not any(is_alive(pid) for pid in pids)
    for port in ports:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port or 0), 30)
    assert not Path(certificate).exists()

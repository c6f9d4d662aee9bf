from __future__ import annotations

import http.client
import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from email.message import Message

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.gcs.asking import ask, object_target, send_chunk, start_upload
from tests.fakes.gcs.emulator import Gcs
from tests.fakes.gcs.faults import UNRELIABLE, Draws, Fault, Settings
from tests.fakes.gcs.messages import Request
from tests.fakes.gcs.sessions import STEP_BYTES


def request(method: str, target: str, num_bytes: int = 0) -> Request:
    headers = Message()
    headers["Content-Length"] = str(num_bytes)
    return Request(method, target, headers, "http://127.0.0.1")


def read(number: int) -> Request:
    return request("GET", f"/petals/{number}")


def kinds(draws: Draws, requests: list[Request]) -> list[str | None]:
    hits = [draws.next(each) for each in requests]
    return [hit.kind if hit else None for hit in hits]


@given(st.lists(st.integers(0, 5), min_size=1, max_size=60), st.integers(0, 3), st.randoms())
def test_draws_do_not_depend_on_the_order_of_different_requests(
    numbers: list[int], seed: int, shuffler: random.Random
) -> None:
    faults = (Fault("503", 0.3), Fault("500", 0.3))
    shuffled = list(numbers)
    shuffler.shuffle(shuffled)
    orders = []
    for order in (numbers, shuffled):
        hits = zip(order, kinds(Draws(faults, seed), [read(number) for number in order]), strict=True)
        orders.append(Counter(hits))
    assert orders[0] == orders[1]


def test_draws_follow_the_probability_and_the_seed() -> None:
    requests = [read(number) for number in range(5_000)]
    first = kinds(Draws((Fault("503", 0.1), Fault("429", 0.02)), 1), requests)
    counts = Counter(first)
    # Five standard deviations.
    assert 390 < counts["503"] < 610
    assert 40 < counts["429"] < 140
    assert first == kinds(Draws((Fault("503", 0.1), Fault("429", 0.02)), 1), requests)
    assert first != kinds(Draws((Fault("503", 0.1), Fault("429", 0.02)), 2), requests)


def test_equal_requests_are_drawn_one_by_one() -> None:
    hits = kinds(Draws((Fault("503", 0.5),), 0), [read(0)] * 200)
    assert 60 < Counter(hits)["503"] < 140


def test_a_fault_may_begin_late() -> None:
    hits = kinds(
        Draws((Fault("503", path="petals/[1-9]", skip=4, limit=3),), 0), [read(number) for number in range(10)]
    )
    assert hits == [None] * 5 + ["503"] * 3 + [None] * 2


def test_a_limit_ends_a_fault() -> None:
    hits = kinds(Draws((Fault("503", limit=3),), 0), [read(number) for number in range(10)])
    assert hits == ["503"] * 3 + [None] * 7


GET = request("GET", "/petals/some%20where/1")
CHUNK = request("PUT", "/upload/storage/v1/b/petals/o?uploadType=resumable&name=1&upload_id=session-1", 10)
DELETE = request("DELETE", "/storage/v1/b/petals/o/1")


@pytest.mark.parametrize(
    ("fault", "fitting", "in_batch"),
    [
        (Fault("503"), [GET, CHUNK, DELETE], False),
        (Fault("503", method="DELETE"), [DELETE], False),
        (Fault("503", path=r"some where"), [GET], False),
        (Fault("503", method="GET", path=r"upload"), [], False),
        (Fault("cut_download"), [GET], False),
        (Fault("cut_upload"), [CHUNK], False),
        (Fault("cut_download"), [], True),
        (Fault("cut_upload"), [], True),
        (Fault("lost"), [], True),
        (Fault("503_after"), [GET, CHUNK, DELETE], True),
    ],
)
def test_a_fault_happens_only_where_it_can_and_is_wanted(fault: Fault, fitting: list[Request], in_batch: bool) -> None:
    assert [each for each in (GET, CHUNK, DELETE) if fault.fits(each, in_batch=in_batch)] == fitting


def test_settings_survive_the_way_to_the_front() -> None:
    settings = Settings(0.1, 2.5, None, (*UNRELIABLE, Fault("403", 0.5, "GET", "x", 3)), 7)
    assert Settings.from_json(settings.to_json()) == settings


def test_settings_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match=r"kind: got '418', expected one of 401, "):
        Fault("418")
    with pytest.raises(ValueError, match=r"probability: got 1.5, expected 0 to 1"):
        Fault("503", 1.5)
    with pytest.raises(ValueError, match=r"latency_seconds: got -1, expected 0 or more"):
        Settings(latency_seconds=-1)
    with pytest.raises(ValueError, match=r"total_bandwidth_mb: got 0, expected more than 0"):
        Settings(total_bandwidth_mb=0)


@pytest.mark.parametrize("status", [401, 403, 404, 410, 429, 500, 503])
def test_a_refused_request_changes_nothing(gcs: Gcs, status: int) -> None:
    kind = str(status)
    gcs.write("kept", b"1")
    gcs.configure(faults=(Fault(kind, method="DELETE"),))
    reply = ask(gcs, "DELETE", object_target(gcs, "kept"))
    assert (reply.status, reply.json["error"]["code"]) == (status, status)
    assert gcs.names() == ["kept"]
    assert ask(gcs, "GET", object_target(gcs, "kept")).status == 200
    assert gcs.counts().faults == {kind: 1}
    gcs.configure(faults=())
    assert ask(gcs, "DELETE", object_target(gcs, "kept")).status == 204
    assert gcs.names() == []


def test_a_503_after_the_work_leaves_it_done(gcs: Gcs) -> None:
    gcs.write("gone", b"1")
    gcs.configure(faults=(Fault("503_after", limit=1),))
    assert ask(gcs, "DELETE", object_target(gcs, "gone")).status == 503
    assert gcs.names() == []
    assert ask(gcs, "DELETE", object_target(gcs, "gone")).status == 404


def test_a_lost_answer_leaves_the_work_done(gcs: Gcs) -> None:
    gcs.configure(faults=(Fault("lost"),))
    with pytest.raises(http.client.RemoteDisconnected):
        ask(gcs, "POST", f"/upload/storage/v1/b/{gcs.bucket}/o?uploadType=media&name=there", b"data")
    assert gcs.read("there") == b"data"
    assert gcs.counts().faults == {"lost": 1}


def test_a_cut_download_gives_a_part_of_the_bytes(gcs: Gcs) -> None:
    data = random.Random(0).randbytes(700_000)
    gcs.write("data", data)
    gcs.configure(faults=(Fault("cut_download"),))
    with pytest.raises(http.client.IncompleteRead) as cut:
        ask(gcs, "GET", f"/{gcs.bucket}/data")
    assert data.startswith(cut.value.partial)
    assert len(cut.value.partial) + (cut.value.expected or 0) == len(data)
    # An error's answer is cut before its first byte.
    with pytest.raises(http.client.RemoteDisconnected):
        ask(gcs, "GET", f"/{gcs.bucket}/nothing")
    assert gcs.counts().faults == {"cut_download": 2}


def test_a_cut_upload_keeps_whole_steps_and_goes_on(gcs: Gcs) -> None:
    data = random.Random(0).randbytes(10 * STEP_BYTES + 5)
    session = start_upload(gcs, "data")
    total = f"bytes 0-{len(data) - 1}/{len(data)}"
    gcs.configure(faults=(Fault("cut_upload", limit=1),))
    with pytest.raises((http.client.RemoteDisconnected, ConnectionError)):
        send_chunk(gcs, session, data, total)
    kept = send_chunk(gcs, session, b"", f"bytes */{len(data)}")
    assert kept.status == 308
    end = int(str(kept.headers["Range"]).removeprefix("bytes=0-")) + 1
    assert end % STEP_BYTES == 0
    assert 0 < end < len(data)
    assert gcs.names() == []
    rest = send_chunk(gcs, session, data[end:], f"bytes {end}-{len(data) - 1}/{len(data)}")
    assert (rest.status, rest.json["size"]) == (200, str(len(data)))
    assert gcs.read("data") == data


def test_a_cut_upload_of_another_kind_keeps_nothing(gcs: Gcs) -> None:
    gcs.configure(faults=(Fault("cut_upload"),))
    with pytest.raises((http.client.RemoteDisconnected, ConnectionError)):
        ask(gcs, "POST", f"/upload/storage/v1/b/{gcs.bucket}/o?uploadType=media&name=there", b"d" * 1_000_000)
    assert gcs.names() == []
    assert gcs.counts().faults == {"cut_upload": 1}


def failing_reads(gcs: Gcs) -> list[int]:
    gcs.configure(faults=(Fault("503", 0.3),), seed=5)
    with ThreadPoolExecutor(8) as pool:
        statuses = pool.map(lambda number: ask(gcs, "GET", f"/{gcs.bucket}/{number}").status, range(60))
    return [number for number, status in enumerate(statuses) if status == 503]


def test_the_same_requests_fail_again_whatever_the_threads_do(gcs: Gcs) -> None:
    first = failing_reads(gcs)
    assert 5 < len(first) < 35
    assert failing_reads(gcs) == first

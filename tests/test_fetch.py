"""Fetching against a server on loopback that misbehaves in the ways servers do."""

import functools
import hashlib
import random
import socket
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from matscale.datasets import registry, transfer
from matscale.datasets.fetch import fetch
from matscale.datasets.readers import Content
from matscale.datasets.registry import Entry, RemoteFile
from matscale.datasets.transfer import Patience
from matscale.runtime.errors import UserError

SIZE = 1_000_000
BREAK = 400_000
BODY = random.Random(1).randbytes(SIZE)
SHA256 = hashlib.sha256(BODY).hexdigest()
HASTY = Patience(connect_s=2, read_s=0.4, attempts=4, backoff_s=0.01)


@dataclass
class Behaviour:
    """How the server treats its requests; ``requests`` is what it saw, in order.

    ``script`` holds an action for each coming request; when it is used up, requests are served.
    """

    body: bytes = BODY
    etag: str = '"one"'
    ranges: bool = True
    length: bool = True
    script: list = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)
    requests: list = field(default_factory=list)
    sent: list = field(default_factory=list)


class Handler(BaseHTTPRequestHandler):
    def __init__(self, behaviour, *args):
        self.behaviour = behaviour
        super().__init__(*args)

    def log_message(self, *args):
        pass

    def do_GET(self):
        how = self.behaviour
        asked = self.headers.get("Range")
        how.requests.append((self.path, asked, self.headers.get("If-Range")))
        action = how.script.pop(0) if how.script else "serve"
        if isinstance(action, int):
            self.send_response(action)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0
        condition = self.headers.get("If-Range")
        if not how.ranges or (condition and condition != how.etag):
            start = 0
        if start >= len(how.body) > 0:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(how.body)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self._send(start, action)

    def _send(self, start, action):
        how = self.behaviour
        payload = how.body[start:]
        self.send_response(206 if start else 200)
        if start:
            span = f"bytes {start}-{len(how.body) - 1}/{len(how.body)}"
            self.send_header("Content-Range", span)
        if how.etag:
            self.send_header("ETag", how.etag)
        if how.length:
            self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        if action in ("break", "stall"):
            payload = payload[:BREAK]
        self.wfile.write(payload)
        self.wfile.flush()
        how.sent.append(len(payload))
        if action == "stall":
            how.released.wait(300)
        self.close_connection = True


@pytest.fixture(autouse=True)
def no_surroundings(monkeypatch):
    """Neither proxies nor data of the machine take part."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "MATSCALE_DATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def behaviour():
    return Behaviour()


@pytest.fixture
def url(behaviour):
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, behaviour))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    behaviour.released.set()
    server.shutdown()
    server.server_close()
    thread.join(5)


def register(monkeypatch, *files):
    entry = Entry("tiny", "Tiny", "", (), "", files, {}, "", reader=lambda paths: Content({}))
    monkeypatch.setattr(registry, "DATASETS", {"tiny": entry})


@pytest.fixture
def tiny(monkeypatch, url):
    register(monkeypatch, RemoteFile("a.bin", (f"{url}/a.bin",), SHA256))


@pytest.fixture
def unhashed(monkeypatch, url):
    register(monkeypatch, RemoteFile("a.bin", (f"{url}/a.bin",)))


def get(tmp_path, **options):
    return fetch("tiny", cache=tmp_path, patience=HASTY, **options)


def left_over(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {".lock"}


def test_a_file_arrives_whole_and_alone(tmp_path, tiny, behaviour):
    folder = get(tmp_path)
    assert folder == tmp_path / "datasets" / "tiny"
    assert (folder / "a.bin").read_bytes() == BODY
    assert left_over(folder) == {"a.bin"}
    assert behaviour.requests == [("/a.bin", None, None)]


def test_what_is_there_is_not_fetched_again(tmp_path, tiny, behaviour):
    get(tmp_path)
    get(tmp_path)
    assert len(behaviour.requests) == 1


def test_a_file_that_changed_on_disk_is_fetched_again(tmp_path, tiny, behaviour):
    (get(tmp_path) / "a.bin").write_bytes(b"damaged")
    assert (get(tmp_path) / "a.bin").read_bytes() == BODY
    assert len(behaviour.requests) == 2


def test_a_broken_connection_is_resumed_where_it_broke(tmp_path, tiny, behaviour):
    behaviour.script = ["break", "break"]
    folder = get(tmp_path)
    assert (folder / "a.bin").read_bytes() == BODY
    first, second, third = behaviour.requests
    assert first[1] is None
    starts = [int(asked.removeprefix("bytes=")[:-1]) for _, asked, _ in (second, third)]
    chunk = 1 << 16
    assert BREAK - chunk <= starts[0] <= BREAK
    assert 2 * BREAK - 2 * chunk <= starts[1] <= 2 * BREAK
    assert second[2] == '"one"', "If-Range carries the ETag"
    assert sum(behaviour.sent) <= SIZE + 2 * chunk, "bytes must not be sent twice"


def test_a_later_call_resumes_what_an_earlier_one_left(tmp_path, tiny, behaviour):
    behaviour.script = ["break", 404]
    with pytest.raises(UserError, match="404"):
        get(tmp_path)
    assert (get(tmp_path) / "a.bin").read_bytes() == BODY
    assert behaviour.requests[2][1] not in (None, "bytes=0-")
    assert sum(behaviour.sent) < 1.1 * SIZE


def test_a_complete_part_is_not_downloaded_again(tmp_path, tiny, behaviour):
    behaviour.script = ["break", 404]
    with pytest.raises(UserError):
        get(tmp_path)
    part = tmp_path / "datasets" / "tiny" / "a.bin.part"
    part.write_bytes(BODY)
    sent = sum(behaviour.sent)
    assert (get(tmp_path) / "a.bin").read_bytes() == BODY
    assert sum(behaviour.sent) == sent, "the server answered 416: there was nothing left to send"


def test_a_server_that_ignores_ranges(tmp_path, tiny, behaviour):
    behaviour.ranges = False
    behaviour.script = ["break"]
    assert (get(tmp_path) / "a.bin").read_bytes() == BODY
    assert behaviour.requests[1][1] is not None, "a range was asked for"
    assert behaviour.sent[1] == SIZE, "and the whole came"


@pytest.mark.parametrize("etag", ['"one"', ""])
def test_a_file_that_changes_between_two_tries(tmp_path, tiny, behaviour, etag):
    """The old half must not be joined to the new one, with an ETag or without."""
    behaviour.etag = etag
    behaviour.body = bytes(SIZE)
    behaviour.script = ["break", 404]
    with pytest.raises(UserError):
        get(tmp_path)
    behaviour.body = BODY
    behaviour.etag = '"two"' if etag else ""
    assert (get(tmp_path) / "a.bin").read_bytes() == BODY


def test_a_file_that_changes_its_length_under_one_etag(tmp_path, unhashed, behaviour):
    behaviour.body = bytes(SIZE + 5)
    behaviour.script = ["break", 404]
    with pytest.raises(UserError):
        get(tmp_path)
    behaviour.body = BODY
    assert (get(tmp_path) / "a.bin").read_bytes() == BODY


def test_without_hash_and_validator_nothing_is_resumed(tmp_path, unhashed, behaviour):
    behaviour.etag = ""
    behaviour.script = ["break"]
    assert (get(tmp_path) / "a.bin").read_bytes() == BODY
    assert [asked for _, asked, _ in behaviour.requests] == [None, None]


def test_wrong_content_is_removed_and_both_hashes_are_named(tmp_path, tiny, behaviour):
    behaviour.body = b"another file"
    with pytest.raises(UserError) as caught:
        get(tmp_path)
    assert SHA256 in str(caught.value)
    assert hashlib.sha256(b"another file").hexdigest() in str(caught.value)
    assert left_over(tmp_path / "datasets" / "tiny") == set()
    assert len(behaviour.requests) == 1


def test_wrong_content_keeps_the_good_file(tmp_path, monkeypatch, tiny, behaviour):
    """Refetching with a pin that does not fit must not destroy what was there."""
    folder = get(tmp_path)
    with pytest.raises(UserError, match="expected"):
        get(tmp_path, pins={"a.bin": "0" * 64})
    assert (folder / "a.bin").read_bytes() == BODY


def test_not_found_is_not_tried_again(tmp_path, tiny, behaviour):
    behaviour.script = [404]
    with pytest.raises(UserError, match=r"404.*--from"):
        get(tmp_path)
    assert len(behaviour.requests) == 1


@pytest.mark.parametrize("status", [202, 204, 403])
def test_other_answers_are_no_file(tmp_path, tiny, behaviour, status):
    behaviour.script = [status]
    with pytest.raises(UserError, match=str(status)):
        get(tmp_path)


def test_a_passing_failure_is_tried_again(tmp_path, tiny, behaviour):
    behaviour.script = [500, 503, 429]
    assert (get(tmp_path) / "a.bin").read_bytes() == BODY
    assert len(behaviour.requests) == 4


def test_a_lasting_failure_ends(tmp_path, tiny, behaviour):
    behaviour.script = [500] * 50
    with pytest.raises(UserError, match="500"):
        get(tmp_path)
    assert len(behaviour.requests) == HASTY.attempts


def test_a_server_that_stops_sending(tmp_path, tiny, behaviour):
    behaviour.script = ["stall"]
    assert (get(tmp_path) / "a.bin").read_bytes() == BODY
    assert behaviour.requests[1][1] is not None
    assert not behaviour.released.is_set()


def test_a_short_body_without_length_is_found_by_its_hash(tmp_path, tiny, behaviour):
    behaviour.length = False
    behaviour.script = ["break"]
    with pytest.raises(UserError, match=SHA256):
        get(tmp_path)


def test_an_empty_file(tmp_path, monkeypatch, url, behaviour):
    behaviour.body = b""
    register(monkeypatch, RemoteFile("a.bin", (f"{url}/a.bin",), hashlib.sha256(b"").hexdigest()))
    assert (get(tmp_path) / "a.bin").read_bytes() == b""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_offline_is_one_sentence_that_says_what_to_do(tmp_path, monkeypatch):
    dead = f"http://127.0.0.1:{free_port()}/a.bin"
    register(monkeypatch, RemoteFile("a.bin", (dead,), SHA256))
    waits: list[float] = []
    monkeypatch.setattr(transfer.time, "sleep", waits.append)
    with pytest.raises(UserError) as caught:
        fetch("tiny", cache=tmp_path, patience=Patience(attempts=5, backoff_s=0.2))
    assert waits == [0.2], "a server that cannot be reached is tried twice"
    message = str(caught.value)
    assert "cannot be reached" in message
    assert "--from" in message
    assert "$MATSCALE_DATA/tiny/a.bin" in message
    assert "\n" not in message


def test_the_next_url_is_tried(tmp_path, monkeypatch, url, behaviour):
    dead = f"http://127.0.0.1:{free_port()}/a.bin"
    register(monkeypatch, RemoteFile("a.bin", (dead, f"{url}/a.bin"), SHA256))
    assert (get(tmp_path) / "a.bin").read_bytes() == BODY


def test_without_a_hash_on_record_it_says_so_and_gives_the_hash(tmp_path, unhashed, capsys):
    get(tmp_path)
    said = capsys.readouterr().err
    assert "cannot be verified" in said
    assert SHA256 in said


def test_a_pin_is_verified(tmp_path, unhashed):
    with pytest.raises(UserError, match="expected"):
        get(tmp_path, pins={"a.bin": "ab" * 32})
    assert (get(tmp_path, pins={"a.bin": SHA256.upper()}) / "a.bin").read_bytes() == BODY
    with pytest.raises(UserError, match="64"):
        get(tmp_path, pins={"a.bin": "abc"})
    with pytest.raises(UserError, match="no file"):
        get(tmp_path, pins={"b.bin": SHA256})


def test_from_a_mirror(tmp_path, monkeypatch, url, behaviour):
    register(monkeypatch, RemoteFile("a.bin", ("http://127.0.0.1:1/gone",), SHA256))
    behaviour.script = [404]
    assert (get(tmp_path, source=f"{url}/mirror/") / "a.bin").read_bytes() == BODY
    assert [path for path, *_ in behaviour.requests] == ["/mirror/tiny/a.bin", "/mirror/a.bin"]


@pytest.mark.parametrize("place", ["tiny/a.bin", "a.bin", "renamed.zip"])
def test_from_a_folder(tmp_path, tiny, behaviour, place):
    source = tmp_path / "copy"
    (source / place).parent.mkdir(parents=True)
    (source / place).write_bytes(BODY)
    assert (get(tmp_path, source=source) / "a.bin").read_bytes() == BODY
    assert (source / place).is_file()
    assert not behaviour.requests


def test_from_a_file(tmp_path, tiny):
    copy = tmp_path / "any name"
    copy.write_bytes(BODY)
    assert (get(tmp_path, source=str(copy)) / "a.bin").read_bytes() == BODY
    copy.write_bytes(BODY[:-1])
    (tmp_path / "datasets" / "tiny" / "a.bin").unlink()
    with pytest.raises(UserError, match=SHA256):
        get(tmp_path, source=copy)
    assert left_over(tmp_path / "datasets" / "tiny") == set()


def test_one_file_for_a_dataset_of_several(tmp_path, monkeypatch):
    files = [RemoteFile(name, ("http://127.0.0.1:1/",)) for name in ("train.csv", "test.csv")]
    register(monkeypatch, *files)
    copy = tmp_path / "train.csv"
    copy.write_bytes(BODY)
    with pytest.raises(UserError, match=r"test\.csv of tiny"):
        get(tmp_path, source=copy)


def test_optional_files_may_be_missing(tmp_path, monkeypatch, url, behaviour, capsys):
    register(
        monkeypatch,
        RemoteFile("a.bin", (f"{url}/a.bin",), SHA256),
        RemoteFile("b.bin", (f"{url}/b.bin",), SHA256, optional=True),
    )
    behaviour.script = ["serve", 404]
    assert left_over(get(tmp_path)) == {"a.bin"}
    assert "b.bin of tiny could not be had" in capsys.readouterr().err


@pytest.mark.parametrize("source", ["nowhere/at/all", "ftp://127.0.0.1/x"])
def test_sources_that_are_none(tmp_path, tiny, source):
    with pytest.raises(UserError, match="cannot fetch from"):
        get(tmp_path, source=source)


def test_a_cache_that_cannot_be_made(tmp_path, tiny):
    (tmp_path / "datasets").write_text("a file where a folder should be")
    with pytest.raises(UserError, match="MATSCALE_CACHE"):
        get(tmp_path)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk(tmp_path, tiny):
    folder = tmp_path / "datasets" / "tiny"
    folder.mkdir(parents=True)
    (folder / "a.bin.part").symlink_to("/dev/full")
    with pytest.raises(UserError, match="no space left"):
        get(tmp_path)


def test_data_folder_comes_first(tmp_path, monkeypatch, tiny, behaviour):
    (tmp_path / "data" / "tiny").mkdir(parents=True)
    (tmp_path / "data" / "tiny" / "a.bin").write_bytes(BODY)
    monkeypatch.setenv("MATSCALE_DATA", str(tmp_path / "data"))
    assert fetch("tiny") == tmp_path / "data" / "tiny"
    assert not behaviour.requests


def test_the_cache_of_the_environment(tmp_path, monkeypatch, tiny):
    monkeypatch.setenv("MATSCALE_CACHE", str(tmp_path / "elsewhere"))
    assert fetch("tiny", patience=HASTY) == tmp_path / "elsewhere" / "datasets" / "tiny"


def test_two_at_once_download_once(tmp_path, tiny, behaviour):
    """File locks are held by an open file, so threads exclude one another as processes do."""
    failures = []

    def work():
        try:
            get(tmp_path)
        except Exception as error:  # noqa: BLE001
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert not failures
    assert len(behaviour.requests) == 1


def test_importing_opens_no_connection_and_no_heavy_package():
    code = (
        "import sys, socket\n"
        "def refuse(*args): raise AssertionError('network at import')\n"
        "socket.socket.connect = refuse\n"
        "import matscale.datasets\n"
        "print([name for name in ('requests', 'pymatgen.core', 'filelock') if name in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=600, check=True
    )
    assert result.stdout.strip() == "[]"

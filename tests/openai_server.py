"""A small server on loopback that speaks OpenAI's chat completions, from a script.

It keeps what it was sent, decodes the pictures, and answers as it is told to: right, wrong, in
prose, not at all, with an error, too late, or with garbage.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from PIL import Image


@dataclass(frozen=True)
class Asked:
    """One request: its text, the pictures that came with it, and whose key it carried."""

    model: str
    text: str
    pictures: tuple[str, ...]  # SHA-256 of the bytes, each of which decoded as an image
    max_tokens: int | None
    key: str


@dataclass(frozen=True)
class Say:
    """What to answer: text with a status, or raw bytes; after a pause."""

    text: str = ""
    status: int = 200
    raw: bytes | None = None
    pause_s: float = 0.0


Script = Callable[[Asked], str | Say]


@dataclass
class OpenAIServer:
    """``with OpenAIServer(script) as server`` serves on a free port of 127.0.0.1."""

    script: Script
    asked: list[Asked] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def __enter__(self) -> OpenAIServer:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                outer._answer(self)

            def log_message(self, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._lock = threading.Lock()
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        body = json.loads(handler.rfile.read(int(handler.headers["Content-Length"])))
        if not handler.path.endswith("/chat/completions"):
            self.errors.append(f"unexpected path {handler.path}")
        try:
            asked = read_request(body, handler.headers.get("Authorization", ""))
        except (KeyError, ValueError, OSError) as error:
            self.errors.append(repr(error))
            raise
        with self._lock:
            self.asked.append(asked)
        try:
            said = self.script(asked)
        except (TypeError, ValueError, AttributeError, LookupError) as error:
            self.errors.append(f"the script failed: {error!r}")
            said = Say("the script failed", status=400)
        said = Say(said) if isinstance(said, str) else said
        time.sleep(said.pause_s)
        payload = said.raw if said.raw is not None else reply_body(asked, said)
        try:
            handler.send_response(said.status)
            handler.send_header("Content-Type", "application/json")
            handler.send_header("Content-Length", str(len(payload)))
            # The client leaves trying again to inspect-ai.
            handler.send_header("x-should-retry", "false")
            handler.end_headers()
            handler.wfile.write(payload)
        except (BrokenPipeError, ConnectionResetError):
            pass  # the client did not wait


def read_request(body: dict[str, Any], authorization: str) -> Asked:
    (message,) = [one for one in body["messages"] if one["role"] == "user"]
    content = message["content"]
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    pictures = []
    for part in parts:
        if part["type"] == "image_url":
            head, _, data = part["image_url"]["url"].partition(",")
            if not re.fullmatch(r"data:image/(png|jpeg|gif|webp);base64", head):
                raise ValueError(f"no image data: {head[:60]}")
            raw = base64.b64decode(data, validate=True)
            Image.open(io.BytesIO(raw)).load()
            pictures.append(hashlib.sha256(raw).hexdigest())
    return Asked(
        model=body["model"],
        text="\n".join(part["text"] for part in parts if part["type"] == "text"),
        pictures=tuple(pictures),
        max_tokens=body.get("max_tokens") or body.get("max_completion_tokens"),
        key=authorization.removeprefix("Bearer "),
    )


def reply_body(asked: Asked, said: Say) -> bytes:
    if said.status != 200:
        error = {"message": said.text, "type": "scripted", "code": str(said.status)}
        return json.dumps({"error": error}).encode()
    message = {"role": "assistant", "content": said.text}
    choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    found = {"id": "x", "object": "chat.completion", "created": 1, "model": asked.model}
    return json.dumps({**found, "choices": [choice], "usage": usage}).encode()

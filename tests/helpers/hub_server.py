"""A hub on this machine: as much of its HTTP interface as the real client uses to push and pull.

https://huggingface.co/docs/hub/api, and git-lfs's batch interface for large files.
"""

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import huggingface_hub
import pytest

TOKEN = "hf_of_this_test"
LARGE = (".safetensors", ".onnx")


@dataclass
class Repository:
    """One repository: its commits, the newest last."""

    private: bool
    commits: list[tuple[str, dict[str, bytes]]] = field(default_factory=list)
    gated: bool = False

    def commit(self, files: dict[str, bytes]) -> str:
        """Add a commit; returns its name."""
        names = f"{len(self.commits)}{sorted(files)}"
        name = hashlib.sha1(names.encode() + b"".join(files.values())).hexdigest()
        self.commits.append((name, dict(files)))
        return name

    def at(self, revision: str) -> tuple[str, dict[str, bytes]] | None:
        """Name and files of a commit, or of a branch."""
        if revision == "main":
            return self.commits[-1]
        return next((own for own in self.commits if own[0] == revision), None)


@dataclass
class Hub:
    """What the server holds and was asked."""

    repositories: dict[str, Repository] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    tokens: set[str | None] = field(default_factory=set)
    ignored: tuple[str, ...] = ()
    """Files that it leaves out of commits."""
    sizes: dict[str, int] = field(default_factory=dict)
    """Sizes that it states in place of the true ones."""
    extra: dict[str, bytes] = field(default_factory=dict)
    """Files that it claims to hold, at any path."""
    broken: int = 0
    """Status of every answer, if any."""
    url: str = ""


class _Answers(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        """Silent."""

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _send(self, content: Any, status: int = 200, **headers: str) -> None:
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(data)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def _error(self, status: int, code: str = "", text: str = "") -> None:
        headers = {"X_Error_Code": code} if code else {}
        self._send({"error": text or code}, status, **headers)

    def _repository(self, name: str) -> Repository | None:
        """A repository that the caller may read; answers otherwise."""
        own = self.hub.repositories.get(name)
        allowed = self.headers.get("Authorization") == f"Bearer {TOKEN}"
        if own is None or (own.private and not allowed):
            self._error(404 if allowed else 401, "RepoNotFound")
            return None
        if own.gated:
            self._error(403, "GatedRepo")
            return None
        return own

    def _handle(self) -> None:
        path, body = unquote(urlsplit(self.path).path).strip("/"), self._body()
        words = path.split("/")
        self.hub.asked.append(f"{self.command} {path}")
        if words[0] != "objects":  # their addresses are signed
            self.hub.tokens.add(self.headers.get("Authorization"))
        if self.hub.broken:
            return self._error(self.hub.broken, text="out of order")
        if words[:2] == ["api", "validate-yaml"]:
            return self._send({"warnings": [], "errors": []})
        if words[:3] == ["api", "repos", "create"]:
            return self._create(json.loads(body))
        if words[0] == "objects":
            self.hub.objects[words[1]] = body
            return self._send({})
        if words[:2] == ["api", "models"]:
            return self._api("/".join(words[2:4]), words[4:], body)
        if words[1].endswith(".git"):
            return self._batch(json.loads(body))
        return self._file("/".join(words[:2]), words[3], "/".join(words[4:]))

    do_GET = do_POST = do_PUT = do_HEAD = _handle

    def _create(self, given: dict[str, Any]) -> None:
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self._error(403, text="no rights there")
        name = f"{given['organization']}/{given['name']}"
        private = given.get("visibility") == "private" or bool(given.get("private"))
        own = self.hub.repositories[name] = Repository(private)
        own.commit({".gitattributes": b"*.safetensors filter=lfs\n"})
        return self._send({"url": f"{self.hub.url}/{name}", "name": name})

    def _api(self, name: str, words: list[str], body: bytes) -> None:
        own = self._repository(name)
        if own is None:
            return None
        what, revision = (*words, "main")[:2] if words else ("revision", "main")
        found = own.at(revision)
        if found is None:
            return self._error(404, "RevisionNotFound")
        commit, files = found
        if what == "revision":
            return self._send({"id": name, "sha": commit, "private": own.private})
        if what == "tree":
            return self._send([self._entry(*item) for item in {**files, **self.hub.extra}.items()])
        if what == "preupload":
            paths = [given["path"] for given in json.loads(body)["files"]]
            return self._send({"files": [self._mode(path, files.get(path)) for path in paths]})
        lines = [json.loads(line) for line in body.splitlines()]
        return self._commit(name, own, files, lines)

    def _entry(self, path: str, content: bytes) -> dict[str, Any]:
        size = self.hub.sizes.get(path, len(content))
        blob = hashlib.sha1(f"blob {len(content)}\0".encode() + content).hexdigest()
        entry: dict[str, Any] = {"type": "file", "path": path, "size": size, "oid": blob}
        if path.endswith(LARGE):
            oid = hashlib.sha256(content).hexdigest()
            entry["lfs"] = {"oid": oid, "size": size, "pointerSize": 134}
        return entry

    def _mode(self, path: str, held: bytes | None) -> dict[str, Any]:
        mode = "lfs" if path.endswith(LARGE) else "regular"
        answer = {"path": path, "uploadMode": mode, "shouldIgnore": path in self.hub.ignored}
        if held is not None:
            entry = self._entry(path, held)
            answer["oid"] = entry.get("lfs", entry)["oid"]
        return answer

    def _commit(
        self, name: str, own: Repository, files: dict[str, bytes], lines: list[dict[str, Any]]
    ) -> None:
        parent = lines[0]["value"].get("parentCommit")
        if parent not in (None, own.commits[-1][0]):
            return self._error(412, text="the repository has changed")
        files = dict(files)
        for line in lines[1:]:
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.hub.objects[value["oid"]]
            else:
                del files[value["path"]]
        commit = own.commit(files)
        url = f"{self.hub.url}/{name}/commit/{commit}"
        return self._send({"commitUrl": url, "commitOid": commit})

    def _batch(self, given: dict[str, Any]) -> None:
        objects = [
            {**own, "actions": {"upload": {"href": f"{self.hub.url}/objects/{own['oid']}"}}}
            for own in given["objects"]
        ]
        return self._send({"transfer": "basic", "objects": objects})

    def _file(self, name: str, revision: str, path: str) -> None:
        own = self._repository(name)
        if own is None:
            return None
        found = own.at(revision)
        content = None if found is None else {**found[1], **self.hub.extra}.get(path)
        if found is None or content is None:
            return self._error(404, "EntryNotFound" if found else "RevisionNotFound")
        etag = hashlib.sha256(content).hexdigest()
        return self._send(content, X_Repo_Commit=found[0], ETag=f'"{etag}"')


@contextmanager
def serving() -> Iterator[Hub]:
    """A hub on a free port of the loopback."""
    hub = Hub()
    handler = type("Answers", (_Answers,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()


def ask_only(hub: Hub, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the client of this process know of this hub alone, and of no cache or token of ours.

    As `HF_ENDPOINT`, `HF_HOME`, `HF_HUB_DISABLE_XET` and `HF_TOKEN` do when a process starts.
    """
    constants = huggingface_hub.constants
    template = constants.HUGGINGFACE_CO_URL_TEMPLATE.removeprefix(constants.ENDPOINT)
    for name, value in {
        "ENDPOINT": hub.url,
        "HUGGINGFACE_CO_URL_TEMPLATE": hub.url + template,
        "HF_HUB_CACHE": str(home / "cache"),
        "HF_TOKEN_PATH": str(home / "token"),
        "HF_HUB_DISABLE_XET": True,
        "HF_HUB_OFFLINE": False,
    }.items():
        for module in (constants, huggingface_hub.file_download):  # versions differ in where
            monkeypatch.setattr(module, name, value, raising=False)
    for name in ("HF_HUB_DISABLE_TELEMETRY", "AGENT_HARNESSES_PATH"):  # set back afterwards
        monkeypatch.setattr(constants, name, getattr(constants, name, ""), raising=False)
    monkeypatch.setenv("HF_TOKEN", TOKEN)

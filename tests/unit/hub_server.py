"""A small server on loopback that speaks the endpoints of the Hub which the huggingface_hub client needs."""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Files = dict[str, bytes]


@dataclass
class Repository:
    """Commits by their hash, and the names that point to them."""

    commits: dict[str, Files] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)

    def commit(self, files: Files, branch: str = "main") -> str:
        before = self.commits.get(self.branches.get(branch, ""), {})
        name = hashlib.sha1(repr((branch, len(self.commits), sorted(files))).encode()).hexdigest()
        self.commits[name] = {**before, **files}
        self.branches[branch] = name
        return name

    def at(self, revision: str) -> tuple[str, Files]:
        name = self.branches.get(revision, revision)
        return name, self.commits[name]


class HubServer(ThreadingHTTPServer):
    """Repositories by id. `cuts` says how often a file's transfer breaks off in the middle; `requests` is kept."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.repositories: dict[str, Repository] = {}
        self.large: dict[str, bytes] = {}
        self.cuts: dict[str, int] = {}
        self.requests: list[tuple[str, str, str | None]] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@contextmanager
def serving() -> Iterator[HubServer]:
    with HubServer() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: HubServer

    def do_HEAD(self) -> None:
        self._resolve(with_body=False)

    def do_GET(self) -> None:
        found = re.fullmatch(r"/api/models/([^/]+/[^/]+)/(revision|tree)/([^/?]+)(\?.*)?", self.path)
        if found is None:
            self._resolve(with_body=True)
            return
        self._note()
        repository = self.server.repositories.get(found[1])
        if repository is None or found[3] not in {*repository.branches, *repository.commits}:
            self._answer(
                {"error": "not found"},
                404,
                {"X-Error-Code": "RepoNotFound" if repository is None else "RevisionNotFound"},
            )
            return
        name, files = repository.at(found[3])
        if found[2] == "revision":
            self._answer({"id": found[1], "sha": name, "siblings": [{"rfilename": path} for path in sorted(files)]})
        else:
            self._answer(
                [
                    {"type": "file", "path": path, "oid": hashlib.sha1(content).hexdigest(), "size": len(content)}
                    for path, content in sorted(files.items())
                ]
            )

    def do_PUT(self) -> None:
        self._note()
        self.server.large[self.path.rpartition("/")[2]] = self._body()
        self._answer({})

    def do_POST(self) -> None:
        self._note()
        body = self._body()
        if self.path == "/api/repos/create":
            asked = json.loads(body)
            name = f"{asked['organization']}/{asked['name']}"
            self.server.repositories.setdefault(name, Repository())
            self._answer({"url": f"{self.server.address}/{name}", "name": name, "id": name})
        elif self.path == "/api/validate-yaml":
            self._answer({"errors": [], "warnings": []})
        elif "/preupload/" in self.path:
            modes = [
                {"path": file["path"], "uploadMode": "lfs" if file["path"].endswith(".safetensors") else "regular"}
                for file in json.loads(body)["files"]
            ]
            self._answer({"files": [{**mode, "shouldIgnore": False} for mode in modes]})
        elif self.path.endswith("/info/lfs/objects/batch"):
            uploads = [
                {**asked, "actions": {"upload": {"href": f"{self.server.address}/large/{asked['oid']}"}}}
                for asked in json.loads(body)["objects"]
            ]
            self._answer({"transfer": "basic", "objects": uploads})
        elif found := re.fullmatch(r"/api/models/([^/]+/[^/]+)/commit/([^/?]+)", self.path):
            self._commit(found[1], found[2], [json.loads(line) for line in body.splitlines()])
        else:
            self._answer({"error": self.path}, 404)

    def _commit(self, name: str, branch: str, lines: list[dict[str, Any]]) -> None:
        files = {}
        for line in lines:
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.server.large[value["oid"]]
        commit = self.server.repositories[name].commit(files, branch)
        address = f"{self.server.address}/{name}/commit/{commit}"
        self._answer({"commitUrl": address, "commitOid": commit, "success": True})

    def _resolve(self, *, with_body: bool) -> None:
        self._note()
        found = re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", self.path)
        repository = self.server.repositories.get(found[1]) if found else None
        if found is None or repository is None:
            self._answer({"error": "not found"}, 404, {"X-Error-Code": "RepoNotFound"})
            return
        name, files = repository.at(found[2])
        if found[3] not in files:
            self._answer({"error": "not found"}, 404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": name})
            return
        content = files[found[3]]
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(asked[1]) if asked else 0
        self.send_response(206 if asked else 200)
        self.send_header("X-Repo-Commit", name)
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        self.send_header("Content-Length", str(len(content) - start))
        if asked:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        if with_body:
            rest = content[start:]
            if self.server.cuts.get(found[3], 0):
                self.server.cuts[found[3]] -= 1
                self.wfile.write(rest[: len(rest) // 2])
                self.close_connection = True
            else:
                self.wfile.write(rest)

    def _note(self) -> None:
        self.server.requests.append((self.command, self.path, self.headers.get("Range")))

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _answer(
        self, value: dict[str, Any] | list[Any], status: int = 200, headers: dict[str, str] | None = None
    ) -> None:
        content = json.dumps(value).encode()
        self.send_response(status)
        for name, said in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, said)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":  # a body would be read as the beginning of the next answer
            self.wfile.write(content)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Nothing on standard error."""

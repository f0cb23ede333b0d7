"""A server on this machine that answers the Hub's client: repositories in memory, all files as regular ones."""

import base64
import contextlib
import hashlib
import http.server
import json
import threading

COMMIT = "0" * 40


class Hub(http.server.ThreadingHTTPServer):
    """Repositories: {"user/name": {file's name: bytes}}; `requests` is what was asked for, a line each."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Answer)
        self.repositories, self.requests = {}, []

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server_port}"


class _Answer(http.server.BaseHTTPRequestHandler):
    def log_message(self, *arguments):
        pass

    def _body(self):
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        found = b""
        while size := int(self.rfile.readline(), 16):
            found += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return found

    def _answer(self, content=b"{}", code=200, **headers):
        self.send_response(code)
        for name, value in ({"Content-Length": str(len(content))} | headers).items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _json(self, value):
        self._answer(json.dumps(value).encode(), Content_Type="application/json")

    def _refuse(self):
        self._answer(code=401)

    def _missing(self, kind):
        self._answer(code=404, X_Error_Code=kind)

    def do_POST(self):
        body, path = self._body(), self.path.partition("?")[0]
        self.server.requests.append(f"POST {path}")
        if not self.headers.get("Authorization"):
            self._answer(code=401)
        elif path == "/api/repos/create":
            asked = json.loads(body)
            name = f"{asked['organization']}/{asked['name']}"
            self.server.repositories.setdefault(name, {})
            self._json({"url": f"{self.server.address}/{name}", "private": asked.get("private")})
        elif "/preupload/" in path:
            files = [file["path"] for file in json.loads(body)["files"]]
            self._json({"files": [{"path": p, "uploadMode": "regular", "shouldIgnore": False} for p in files]})
        elif "/commit/" in path:
            name = path.removeprefix("/api/models/").partition("/commit/")[0]
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    content = base64.b64decode(line["value"]["content"])
                    self.server.repositories[name][line["value"]["path"]] = content
            self._json({"success": True, "commitOid": COMMIT, "commitUrl": f"{self.server.address}/{name}/commit/0"})
        else:
            self._json({})

    def do_GET(self):
        path = self.path.partition("?")[0]
        self.server.requests.append(f"{self.command} {path}")
        if path == "/api/whoami-v2":
            return self._json({"name": "me", "type": "user"}) if self.headers.get("Authorization") else self._refuse()
        if path.startswith("/api/models/"):
            name = "/".join(path.removeprefix("/api/models/").split("/")[:2])
            if name not in self.server.repositories:
                return self._missing("RepoNotFound")
            if "/tree/" in path:
                return self._json([_entry(*pair) for pair in self.server.repositories[name].items()])
            siblings = [{"rfilename": file} for file in self.server.repositories[name]]
            return self._json({"id": name, "sha": COMMIT, "siblings": siblings, "tags": [], "private": False})
        name, found, file = (
            path.lstrip("/").replace("/resolve/main/", f"/resolve/{COMMIT}/").partition(f"/resolve/{COMMIT}/")
        )
        content = self.server.repositories.get(name, {}).get(file)
        if not found or content is None:
            return self._missing("EntryNotFound")
        return self._answer(content, ETag=f'"{_entry(file, content)["oid"]}"', X_Repo_Commit=COMMIT)

    do_HEAD = do_GET


def _entry(name, content):
    return {"type": "file", "path": name, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}


@contextlib.contextmanager
def serve():
    """Serves a `Hub`."""
    with Hub() as hub:
        thread = threading.Thread(target=hub.serve_forever, daemon=True)
        thread.start()
        yield hub
        hub.shutdown()
        thread.join()

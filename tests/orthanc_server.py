"""A real archive on loopback: Debian's Orthanc with its own configuration, folder and ports."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from form_sources import debian

PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
CALLING_TITLE, CALLED_TITLE = "FRACTURAX", "ORTHANC"


@dataclass(frozen=True)
class Orthanc:
    """A running archive.

    Args:
        http_port: Of its REST interface, its explorer and DICOMweb.
        dicom_port: Of DICOM associations.
    """

    http_port: int
    dicom_port: int

    @property
    def url(self) -> str:
        """Where its REST interface is."""
        return f"http://127.0.0.1:{self.http_port}"

    @property
    def dicomweb(self) -> str:
        """Where its DICOMweb services are."""
        return f"{self.url}/dicom-web"

    def get(self, path: str) -> bytes:
        """Return what the REST interface answers."""
        with urllib.request.urlopen(f"{self.url}{path}", timeout=30) as answer:
            content: bytes = answer.read()
        return content

    def file_of(self, sop_instance_uid: str) -> bytes:
        """Return the stored file of an object, as the archive holds it."""
        found = self.post("/tools/lookup", sop_instance_uid.encode())
        places = [one for one in json.loads(found) if one["Type"] == "Instance"]
        assert len(places) == 1, f"{len(places)} objects of this UID in the archive"
        return self.get(f"{places[0]['Path']}/file")

    def post(self, path: str, body: bytes) -> bytes:
        """Return what the REST interface answers to a body."""
        request = urllib.request.Request(f"{self.url}{path}", data=body, method="POST")
        with urllib.request.urlopen(request, timeout=30) as answer:
            content: bytes = answer.read()
        return content


@contextmanager
def orthanc(folder: Path) -> Iterator[Orthanc]:
    """Run an Orthanc that keeps everything in `folder`, until the block ends.

    It answers on loopback only: its web server refuses other machines, its DICOM server every
    title but ours, and ours from another address.
    """
    binary = debian("Orthanc")
    if not PLUGIN.is_file():
        (pytest.fail if os.environ.get("CI") else pytest.skip)("no orthanc-dicomweb here")
    server = Orthanc(_free_port(), _free_port())
    (folder / "orthanc.json").write_text(json.dumps(_configuration(folder, server)))
    with (folder / "orthanc.log").open("wb") as log:
        process = subprocess.Popen(
            [binary, str(folder / "orthanc.json")], stdout=log, stderr=log, cwd=folder
        )
        try:
            _wait_for(server, process, folder / "orthanc.log")
            yield server
        finally:
            process.terminate()
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _configuration(folder: Path, server: Orthanc) -> dict[str, object]:
    return {
        "Name": "FracturaX tests",
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "storage"),
        "Plugins": [str(PLUGIN)],
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
        "HttpPort": server.http_port,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "WebDavEnabled": False,
        "DicomAet": CALLED_TITLE,
        "DicomPort": server.dicom_port,
        "DicomCheckCalledAet": True,
        "DicomAlwaysAllowEcho": False,
        "DicomAlwaysAllowStore": False,
        "DicomCheckModalityHost": True,
        "DicomModalities": {"tests": [CALLING_TITLE, "127.0.0.1", 1]},
        "SyncStorageArea": False,
        "SaveJobs": False,
        "StableAge": 1,
    }


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _wait_for(server: Orthanc, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until both servers answer; what keeps them from starting stands in the log."""
    end = time.monotonic() + 60
    while time.monotonic() < end and process.poll() is None:
        try:
            server.get("/system")
            with socket.create_connection(("127.0.0.1", server.dicom_port), timeout=5):
                return
        except (OSError, urllib.error.URLError):
            time.sleep(0.1)
    said = log.read_text(encoding="utf-8", errors="replace")[-2000:]
    pytest.fail(f"Orthanc does not answer: {said}")

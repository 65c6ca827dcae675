"""A class on one service: the administrator makes each learner's place, and takes it away."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from workshop_lib.evidence.state import StateFolder
from workshop_lib.server import rights
from workshop_lib.server.connections import Connections
from workshop_lib.server.outside import chosen
from workshop_lib.workshop import Workshop

SCRIPT = Path(__file__).resolve().parents[3] / "instructor" / "cluster.py"


async def test_what_a_learners_notebook_needs_is_made_and_taken_away(
    ws: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = rsa.generate_private_key(65537, 2048)
    pem = tmp_path / "key.pem"
    pem.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))

    async def cluster(*arguments: str) -> str:
        command = [sys.executable, str(SCRIPT), *arguments]
        return await asyncio.to_thread(subprocess.check_output, command, cwd=tmp_path, text=True)

    with pytest.raises(subprocess.CalledProcessError):  # nobody has said which service
        await cluster("make", "2")
    monkeypatch.setenv("WORKSHOP_SERVICE", "env")
    monkeypatch.setenv("TEMPORAL_ADDRESS", ws.server.address)
    assert "learner2\nDone." in await cluster("make", "2", "--key", str(pem))
    handed = dict(line.split("=") for line in (tmp_path / "build/class/learner2.env").read_text().splitlines())
    assert handed["TEMPORAL_ADDRESS"] == ws.server.address
    monkeypatch.setenv("WORKSHOP_LEARNER", handed["WORKSHOP_LEARNER"])
    own = Connections(chosen(StateFolder(tmp_path / "05_day_2_nexus")), list)
    needed = rights.needs("05_day_2_nexus")
    assert sorted(await own.namespaces()) == needed.namespaces
    assert await own.endpoints() == needed.endpoints
    claims = jwt.decode(handed["TEMPORAL_API_KEY"], key.public_key(), algorithms=["RS256"])
    assert claims["sub"] == "learner2"
    assert {f"learner2-05-{name}:write" for name in needed.namespaces} < set(claims["permissions"])
    assert not [each for each in claims["permissions"] if not each.startswith("learner2-")], "nobody else's"
    assert "Removed." in await cluster("remove", "2")
    assert await own.endpoints() == {}
    assert not os.listdir(tmp_path / "build/class")
    async with asyncio.timeout(60):  # a guard: the server deletes in the background
        while await own.namespaces():
            await asyncio.sleep(0.1)

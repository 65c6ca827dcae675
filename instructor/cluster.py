"""The administrator's part of a class on one Temporal Service: a place for each learner, and its end.

``WORKSHOP_SERVICE`` says which service, as for the notebooks. `instructor/cluster.md` shows the whole way, also for
Temporal Cloud, where Terraform takes the place of ``make`` and ``remove``.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import jwt
from temporalio.api.operatorservice.v1 import DeleteNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from workshop_lib.evidence.messages import WorkshopError
from workshop_lib.evidence.state import LEARNER, StateFolder
from workshop_lib.server import rights
from workshop_lib.server.connections import Connections
from workshop_lib.server.outside import CHOICE, OutsideService, chosen
from workshop_lib.views.overview import WAYS, notebooks

_HANDOUTS = Path("build/class")
_DELETION = timedelta(minutes=2)  # the server answers when a Workflow has begun to delete the namespace


def learners(many: int) -> list[str]:
    """The names of so many learners."""
    return [f"learner{number:0{len(str(many))}}" for number in range(1, many + 1)]


def places(learner: str, way: str, folder: Path) -> dict[str, Connections]:
    """What a learner's notebooks see of the service, as those notebooks see it.

    Args:
        learner: One's name.
        way: The way through the workshop, such as ``"2 hours"``.
        folder: Where they may keep their state.

    Returns:
        By notebook.

    Raises:
        WorkshopError: No service is chosen.
    """
    os.environ[LEARNER] = learner
    ours = [each for each in notebooks() if any(way in part.ways for part in each.sections)]
    files = [Path(each.file).stem for each in ours if rights.number(each.file)]
    found = {name: Connections(chosen(StateFolder(folder / name)), list) for name in files}
    if not all(isinstance(own.server, OutsideService) for own in found.values()):
        raise WorkshopError("No service is chosen.", then=f"Set {CHOICE}=env and TEMPORAL_ADDRESS, or another profile.")
    return found


async def make(found: dict[str, Connections]) -> None:
    """Create a learner's namespaces and Nexus endpoints. What is there stays as it is."""
    for notebook, own in found.items():
        needed = rights.needs(notebook)
        for name in needed.namespaces:
            await own.connection(name)
        for name, (namespace, task_queue) in needed.endpoints.items():
            await own.endpoint(name, namespace=namespace, task_queue=task_queue)


async def remove(found: dict[str, Connections]) -> None:
    """Delete a learner's namespaces, with all that is in them, and Nexus endpoints."""
    client = await Client.connect(**next(iter(found.values())).server.connect)
    for notebook, own in found.items():
        await own.remove_endpoints("")
        for name in rights.needs(notebook).namespaces:
            try:
                request = DeleteNamespaceRequest(namespace=own.namespace(name))
                await client.operator_service.delete_namespace(request, retry=True, timeout=_DELETION)
            except RPCError as error:
                if error.status != RPCStatusCode.NOT_FOUND:
                    raise


def variables(many: int, way: str, folder: Path) -> dict[str, Any]:
    """What ``cloud/main.tf`` is told: each namespace's learner; each endpoint's target and callers."""
    namespaces: dict[str, str] = {}
    endpoints: dict[str, dict[str, Any]] = {}
    for learner in learners(many):
        for notebook, own in places(learner, way, folder).items():
            needed, prefix = rights.needs(notebook), own.server.prefix
            callers = [prefix + name for name in needed.namespaces]
            namespaces |= dict.fromkeys(callers, learner)
            for name, (target, task_queue) in needed.endpoints.items():
                endpoint = {"namespace": prefix + target, "task_queue": task_queue, "callers": callers}
                endpoints[prefix + name] = endpoint
    return {"namespaces": namespaces, "endpoints": endpoints}


def token(learner: str, found: dict[str, Connections], key: str, hours: float) -> str:
    """What a self-hosted server's default claim mapper takes for a learner: the right to write one's own namespaces.

    Args:
        learner: One's name.
        found: From ``places``.
        key: The RSA key, in PEM, whose public half the server's ``jwtKeyProvider`` has.
        hours: For how long it is valid.
    """
    own = [own.namespace(name) for notebook, own in found.items() for name in rights.needs(notebook).namespaces]
    claims = {"sub": learner, "exp": int(time.time() + hours * 3600), "permissions": [f"{name}:write" for name in own]}
    return jwt.encode(claims, key, "RS256", {"kid": "workshop"})


def hand_out(learner: str, found: dict[str, Connections], key: str) -> None:
    """Write the file that a learner reads in before JupyterLab: ``set -a; . ./learner01.env; make lab``."""
    server = next(iter(found.values())).server
    account = f"any{server.suffix}" if server.suffix else ""
    lines = {CHOICE: "env", LEARNER: learner, "TEMPORAL_ADDRESS": server.address}
    lines |= {"TEMPORAL_NAMESPACE": account, "TEMPORAL_API_KEY": key}
    _HANDOUTS.mkdir(parents=True, exist_ok=True)
    file = _HANDOUTS / f"{learner}.env"
    file.touch(mode=0o600)
    file.write_text("".join(f"{name}={value}\n" for name, value in lines.items() if value))


async def run(arguments: argparse.Namespace) -> None:
    """Do what the command names, learner by learner, and print how far it is."""
    key = arguments.key.read_text() if arguments.key else ""
    keys = json.loads(arguments.keys.read_text()) if arguments.keys else {}
    with tempfile.TemporaryDirectory() as folder:
        if arguments.command == "terraform":
            print(json.dumps(variables(arguments.learners, arguments.way, Path(folder)), indent=1))
            return
        for learner in learners(arguments.learners):
            found = places(learner, arguments.way, Path(folder) / learner)
            if arguments.command == "remove":
                await remove(found)
                (_HANDOUTS / f"{learner}.env").unlink(missing_ok=True)
                print(learner, flush=True)
                continue
            if arguments.command == "make":
                await make(found)
            hand_out(learner, found, token(learner, found, key, arguments.hours) if key else keys.get(learner, ""))
            print(learner, flush=True)
    done = "Removed." if arguments.command == "remove" else f"Done. Each learner's file is in {_HANDOUTS}."
    print(done)


def main() -> int:
    """Run the command. Returns the exit status."""
    parser = argparse.ArgumentParser(description="A place for each learner on one Temporal Service.")
    parser.add_argument("command", choices=["make", "hand-out", "remove", "terraform"])
    parser.add_argument("learners", type=int, help="how many")
    parser.add_argument("--way", choices=WAYS, default=WAYS[0], help="which notebooks they run")
    parser.add_argument("--key", type=Path, metavar="PEM", help="self-hosted: sign a token for each learner with it")
    parser.add_argument("--hours", type=float, default=12, help="for how long a token is valid")
    parser.add_argument("--keys", type=Path, metavar="JSON", help="Cloud: each learner's API key, from Terraform")
    try:
        asyncio.run(run(parser.parse_args()))
    except WorkshopError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

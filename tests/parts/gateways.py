"""A gateway in a process of its own (``ws.serve``), before the teams of the tests."""

from temporalio.client import Client

from workshop_lib.evidence.state import StateFolder, notebook_folder
from workshop_lib.nexus_mcp.gateway import Gateway
from workshop_lib.server.connections import Connections
from workshop_lib.server.devserver import DevServer


async def connect() -> Client:
    folder = StateFolder(notebook_folder())
    return await Client.connect(**await Connections(DevServer(folder), list).connection("default"))


app = Gateway(connect, ["finance", "parts"]).app()

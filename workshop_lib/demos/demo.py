"""What a demo must define.

A demo is one module of this folder, short enough to be read as a whole. Look for four things: the tools of its agent,
the agent (``AGENT``), the Worker that runs it (``WORKER``, ``connect``, ``worker``), and the computers that it needs
(``COMPUTERS``, ``SERVERS``). The modules satisfy the protocol ``Demo`` themselves: mypy checks that in
``tests/unit/demos/test_demo.py``.

To add a demo:

1. Write ``workshop_lib/demos/NAME.py`` with these names, and give it the next number in ``NAMES`` and in ``AGENTS`` of
   this package. What all orchestrators share (task queue, instructions, their own tools) is in ``local``.
2. From another team, import only ``workshop_lib.teams.X.contract``: ``lint-imports`` refuses the rest.
3. Add it to the list in ``tests/unit/demos/test_demo.py``. ``tests/integration/demos/test_demos.py`` then talks with it
   under each failure, and ``python -m workshop_lib demos NUMBER`` in a terminal.
4. Write its notebook in ``solutions/``, and its exercises in ``workshop_lib/checks/nbNN_NAME.py``.
"""

from typing import Any, Protocol

from temporalio.client import Client
from temporalio.worker import Worker

from workshop_lib.server.connections import Connections


class Demo(Protocol):
    """A module that is a demo.

    Attributes:
        AGENT: The Workflow that talks with a user: a ``Conversation``.
        WORKER: Arguments of the ``Worker`` that runs it, without its client and executor.
        COMPUTERS: The modules that run on the computers ``orchestrator``, ``it`` and ``finance``. Each defines
            ``worker(ws)``.
        SERVERS: The modules of the HTTP services, by the service's name, for Workers that run beside the notebook.
    """

    AGENT: type[Any]
    WORKER: dict[str, Any]
    COMPUTERS: dict[str, str]
    SERVERS: dict[str, str]

    async def connect(self, ws: Connections) -> Client:
        """The orchestrator's client, with the plugins and the data converter that the agent needs.

        Args:
            ws: How to reach the service.
        """

    async def worker(self, ws: Connections) -> Worker:
        """The orchestrator's Worker, not yet running.

        Args:
            ws: How to reach the service.
        """

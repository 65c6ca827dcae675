"""Which Temporal Service a notebook uses: its own embedded server, unless another one is asked for by name.

A profile or a ``TEMPORAL_*`` variable that is merely there is named and ignored. Nobody's production gets the
workshop's workflows because a default was lying around.
"""

from __future__ import annotations

import getpass
import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from temporalio.envconfig import ClientConfig, ClientConfigProfile

from workshop_lib.evidence.messages import WorkshopError, say
from workshop_lib.evidence.state import StateFolder
from workshop_lib.server.devserver import DevServer

CHOICE = "WORKSHOP_SERVICE"
_FILE = "outside.json"  # of the state folder
_HOW = f"Set {CHOICE}=env to use the TEMPORAL_* variables, or {CHOICE}=profile:NAME; leave it out for the embedded one."


@dataclass(frozen=True)
class OutsideService:
    """A Temporal Service that the user asked for.

    Attributes:
        origin: Where its address comes from, in words.
        connect: Arguments of ``Client.connect`` without a namespace.
        prefix: Put before the names of namespaces and endpoints, which are shared there. Never before task queues.
    """

    origin: str
    connect: dict[str, Any] = field(repr=False)  # may hold an API key
    prefix: str

    @property
    def address(self) -> str:
        """The gRPC address."""
        return str(self.connect["target_host"])


class SomebodyElses(DevServer):
    """Takes the embedded server's place where the notebook uses an outside service, which no cell kills or restarts.

    Args:
        folder: The state folder of the notebook.
        service: What the notebook uses.
    """

    def __init__(self, folder: StateFolder, service: OutsideService) -> None:
        super().__init__(folder)
        self._service, self._said = service, False

    @property
    def address(self) -> str:
        """See base class."""
        return self._service.address

    async def start(self) -> None:
        """It runs."""

    async def kill(self) -> None:
        """Say that this does not happen."""
        say(
            f"The Temporal Service at {self.address} is not killed, because it is not this notebook's alone.\n"
            f"→ The cell goes on without the outage. To see one, unset {CHOICE} and restart the kernel.",
            "warn",
        )
        self._said = True

    async def restart(self, *, dynamic_config: Mapping[str, str] | None = None) -> None:
        """Say that this does not happen, and how the settings would be made.

        Args:
            dynamic_config: As for the embedded server.
        """
        said, self._said = self._said, False
        if dynamic_config:
            options = " ".join(f"--dynamic-config-value '{key}={value}'" for key, value in dynamic_config.items())
            say(
                f"The cell needs other settings of the Temporal Service at {self.address}, and goes on without them.\n"
                "→ Its administrator can put them into its dynamic configuration, or start a development server so:\n"
                f"  temporal server start-dev {options}",
                "warn",
            )
        elif not said:
            say(f"The Temporal Service at {self.address} is used as it is. A notebook does not restart it.", "warn")


def chosen(folder: StateFolder) -> OutsideService | None:
    """The outside service that ``WORKSHOP_SERVICE`` asks for; none means the embedded server.

    Args:
        folder: The notebook's state folder. Its name and a number that it keeps become a part of the prefix.

    Raises:
        WorkshopError: The choice has no meaning, or what it names has no address.
    """
    choice = os.environ.get(CHOICE, "").strip()
    if not choice:
        return None
    kind, _, name = choice.partition(":")
    if kind == "env" and not name:
        profile, origin = ClientConfigProfile.load(disable_file=True), "the TEMPORAL_* variables"
    elif kind == "profile" and name:
        origin = f"the Temporal profile {name!r}"
        try:
            profile = ClientConfigProfile.load(name, disable_env=True)
        except RuntimeError as error:
            raise WorkshopError(f"{CHOICE}={choice}, but it cannot be read.", str(error), _HOW) from error
    else:
        raise WorkshopError(f"{CHOICE}={choice} is not understood.", then=_HOW)
    if not profile.address:
        raise WorkshopError(f"{CHOICE}={choice}, but {origin} hold no address.", then=_HOW)
    connect = dict(profile.to_client_connect_config())
    connect.pop("namespace", None)
    return OutsideService(origin, connect, f"{_learner(folder)}-{_slug(folder.path.name)}-")


def ignored() -> str | None:
    """A sentence that names settings of another Temporal Service that are there and are not used, if any."""
    found = sorted(name for name in os.environ if name in ("TEMPORAL_ADDRESS", "TEMPORAL_PROFILE", "TEMPORAL_API_KEY"))
    try:
        found += [f"the Temporal profile {name!r}" for name in ClientConfig.load().profiles]
    except RuntimeError:
        found.append("a Temporal configuration file that cannot be read")
    if not found:
        return None
    return f"Not used: {', '.join(found)}. This notebook has a server of its own. {_HOW}"


def _learner(folder: StateFolder) -> str:
    try:
        user = os.environ.get("JUPYTERHUB_USER") or getpass.getuser()
    except (KeyError, OSError):  # a user id without a name, as containers have them
        user = str(os.getuid())
    # In a container or on a hub everybody is the same user, and opens a notebook at the same path.
    if not folder.read(_FILE):
        folder.write(_FILE, {"token": secrets.token_hex(3)})
    return f"{_slug(user)[:12]}-{folder.read(_FILE)['token']}"


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "x"

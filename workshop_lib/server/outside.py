"""Which Temporal Service a notebook uses: its embedded server, unless ``WORKSHOP_SERVICE`` asks for another one.

A profile or a ``TEMPORAL_*`` variable alone is named and ignored, so that no production service gets the workshop's
workflows by accident.
"""

import getpass
import os
import re
import secrets
from collections.abc import Mapping
from typing import Any

from temporalio.envconfig import ClientConfig, ClientConfigProfile

from workshop_lib.evidence.messages import WorkshopError, say
from workshop_lib.evidence.state import LEARNER, StateFolder
from workshop_lib.server import rights
from workshop_lib.server.devserver import DevServer

CHOICE = "WORKSHOP_SERVICE"
_FILE = "outside.json"  # in the state folder
_HOW = f"Set {CHOICE}=env to use the TEMPORAL_* variables, or {CHOICE}=profile:NAME. Unset it for the embedded server."


class OutsideService(DevServer):
    """A Temporal Service that is used instead of the embedded server. No cell kills or restarts it.

    Attributes:
        origin: Where its address comes from, in words.

    Args:
        folder: The notebook's state folder.
        origin: As above.
        connect: Arguments of ``Client.connect`` without a namespace. They may hold an API key.
        prefix: See base class.
        suffix: See base class.
    """

    ui_url = ""  # unknown

    def __init__(
        self, folder: StateFolder, origin: str, connect: dict[str, Any], prefix: str, suffix: str = ""
    ) -> None:
        super().__init__(folder)
        self.origin, self._connect, self._said = origin, connect, False
        self.prefix, self.suffix = prefix, suffix

    @property
    def address(self) -> str:
        """See base class."""
        return str(self._connect["target_host"])

    @property
    def connect(self) -> dict[str, Any]:
        """See base class."""
        return dict(self._connect)

    def silent(self, reason: str) -> WorkshopError:
        """See base class."""
        what = f"The Temporal Service at {self.address} does not answer."
        then = f"Check the address and the key, or unset {CHOICE} and restart the kernel to use the embedded server."
        return WorkshopError(what, f"{CHOICE} asks for {self.origin}. {reason or 'No answer in time.'}", then)

    async def start(self) -> None:
        """Do nothing: it runs already."""

    async def kill(self) -> None:
        """Say that this does not happen."""
        then = f"→ The cell continues without the outage. To see one, unset {CHOICE} and restart the kernel."
        say(f"The Temporal Service at {self.address} is not killed, because others may use it.\n{then}", "warn")
        self._said = True

    async def restart(self, *, dynamic_config: Mapping[str, str] | None = None) -> None:
        """Say that this does not happen, and how an administrator makes the settings.

        Args:
            dynamic_config: See base class.
        """
        said, self._said = self._said, False
        if dynamic_config:
            options = " ".join(f"--dynamic-config-value '{key}={value}'" for key, value in dynamic_config.items())
            say(
                f"The cell needs other settings of the Temporal Service at {self.address}, and continues without.\n"
                "→ An administrator can add them to its dynamic configuration, or start a server with them:\n"
                f"  temporal server start-dev {options}",
                "warn",
            )
        elif not said:
            say(f"The Temporal Service at {self.address} is not restarted, because others may use it.", "warn")


def chosen(folder: StateFolder) -> DevServer:
    """The outside service that ``WORKSHOP_SERVICE`` asks for, or else the embedded server.

    Args:
        folder: The notebook's state folder. The prefix has its name and a token that is kept there.

    Raises:
        WorkshopError: The variable's value is not understood, or the service that it names has no address.
    """
    choice = os.environ.get(CHOICE, "").strip()
    if not choice:
        return DevServer(folder)
    kind, _, name = choice.partition(":")
    if (kind, bool(name)) not in (("env", False), ("profile", True)):
        raise WorkshopError(f"{CHOICE}={choice} is not understood.", then=_HOW)
    origin = f"the Temporal profile {name!r}" if name else "the TEMPORAL_* variables"
    try:
        profile = ClientConfigProfile.load(name or None, disable_env=bool(name), disable_file=not name)
        connect = dict(profile.to_client_connect_config())
    except (RuntimeError, OSError) as error:  # such as a certificate's file that is not there
        raise WorkshopError(f"{CHOICE}={choice}, but {origin} cannot be used.", str(error), _HOW) from error
    if not profile.address:
        raise WorkshopError(f"{CHOICE}={choice}, but no address is in {origin}.", then=_HOW)
    # On Temporal Cloud a namespace is called NAME.ACCOUNT. What is in one's settings shows the account.
    _, dot, account = str(connect.pop("namespace", "")).rpartition(".")
    return OutsideService(folder, origin, connect, prefix(folder), dot + account if dot else "")


def prefix(folder: StateFolder) -> str:
    """The beginning of the real names of a notebook's namespaces and endpoints.

    ``WORKSHOP_LEARNER`` makes it one that an administrator knows ahead: the learner, and the notebook's number.

    Args:
        folder: The notebook's state folder.
    """
    notebook = _slug(folder.path.name)
    if not (learner := re.sub("[^a-z0-9]", "", os.environ.get(LEARNER, "").lower())[:12]):
        return f"{_learner(folder)}-{notebook}-"
    return f"{learner}-{rights.number(notebook) or notebook}-"


def ignored() -> str | None:
    """A sentence that names the settings of another Temporal Service that are not used; None without such settings."""
    found = sorted(name for name in os.environ if name in ("TEMPORAL_ADDRESS", "TEMPORAL_PROFILE", "TEMPORAL_API_KEY"))
    try:
        found += [f"the Temporal profile {name!r}" for name in ClientConfig.load().profiles]
    except RuntimeError:
        found.append("a Temporal configuration file that cannot be read")
    if not found:
        return None
    return f"Not used: {', '.join(found)}. This notebook has its own server. {_HOW}"


def _learner(folder: StateFolder) -> str:
    try:
        user = os.environ.get("JUPYTERHUB_USER") or getpass.getuser()
    except (KeyError, OSError):  # a user id without a name, as containers have them
        user = str(os.getuid())
    # In containers and on hubs, many people have the same user name and open a notebook at the same path.
    if not folder.read(_FILE):
        folder.write(_FILE, {"token": secrets.token_hex(3)})
    name = re.sub(r"^(?![a-z])", "u", _slug(user)[:12])  # an endpoint's name begins with a letter
    return f"{name}-{folder.read(_FILE)['token']}"


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "x"

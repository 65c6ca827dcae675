"""Which Temporal Service a notebook uses: its own embedded server, unless another one is asked for by name.

A profile or a ``TEMPORAL_*`` variable that is merely there is named and ignored. Nobody's production gets the
workshop's workflows because a default was lying around.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import re
from dataclasses import dataclass, field
from typing import Any

from temporalio.envconfig import ClientConfig, ClientConfigProfile

from workshop_lib.evidence.messages import WorkshopError

CHOICE = "WORKSHOP_SERVICE"
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


def chosen(key: str) -> OutsideService | None:
    """The outside service that ``WORKSHOP_SERVICE`` asks for; none means the embedded server.

    Args:
        key: The name of the notebook's state folder, a part of the prefix.

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
    return OutsideService(origin, connect, f"{_slug(_learner())[:16]}-{_slug(key)}-")


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


def _learner() -> str:
    # On a JupyterHub everybody is the same system user.
    with contextlib.suppress(KeyError, OSError):  # in a container, a user may have a number alone
        return os.environ.get("JUPYTERHUB_USER") or getpass.getuser()
    return str(os.getuid())


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "x"

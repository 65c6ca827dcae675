"""Which language model is used: the offline one, unless ``WORKSHOP_MODEL`` names another."""

from __future__ import annotations

import os
import sys
from typing import Any

from workshop_lib.evidence.messages import WorkshopError
from workshop_lib.evidence.state import service_address

CHOICE = "WORKSHOP_MODEL"
OFFLINE = "offline"
SERVICE = "model"  # what the offline model is called among the services, and in the names of faults
ATTEMPT_SECONDS = 20.0
_BACK = f"Or unset {CHOICE} and restart the kernel: the offline model needs no key."


def chosen() -> str:
    """The name of the model in use: LiteLLM's for a real one, ``"offline"`` for the workshop's own."""
    return os.environ.get(CHOICE, "").strip() or OFFLINE


def described() -> str:
    """The model in use, in words for a learner."""
    if chosen() == OFFLINE:
        return f"offline. It is a set of rules, not intelligence. Set {CHOICE} for a real one."
    return f"{chosen()}, from {CHOICE}. Cells that make the model fail, and checks, use the offline one."


def model(name: str = "") -> dict[str, Any]:
    """The arguments of ``litellm.acompletion`` that say which model is called.

    Args:
        name: ``"offline"`` for the offline model whatever was chosen; empty for the chosen one.

    Raises:
        WorkshopError: The offline model does not run.
    """
    if "litellm" in sys.modules:
        # Else it prints two adverts for each error.
        sys.modules["litellm"].suppress_debug_info = True  # type: ignore[attr-defined]
    # Temporal tries again, and nobody else: two that retry multiply.
    common = {"timeout": ATTEMPT_SECONDS, "max_retries": 0}
    if (name or chosen()) != OFFLINE:
        return {"model": name or chosen(), **common}
    return {"model": "openai/offline", "api_base": service_address(SERVICE) + "/v1", "api_key": OFFLINE, **common}


async def probe() -> None:
    """Ask the chosen model for one word, so that a wrong key shows now and not in the middle of a notebook.

    Raises:
        WorkshopError: It is a real model that does not answer; the message says what to do.
    """
    if chosen() == OFFLINE:
        return
    import litellm  # 2.4 s, for those only who chose a real model

    missing = litellm.validate_environment(chosen())["missing_keys"]
    if missing:
        keys = " and ".join(missing)
        raise WorkshopError(f"{CHOICE}={chosen()} needs {keys}, which is not set.", then=f"Set it. {_BACK}")
    try:
        await litellm.acompletion(**model(), messages=[{"role": "user", "content": "Say ok."}])
    except Exception as error:  # LiteLLM raises plain exceptions, too
        from workshop_lib.agents.model.calls import explained

        why = f"{explained(error).message}\n{str(error).splitlines()[0][:300]}"
        then = f"Check the name, the key, the network and the provider's status. {_BACK}"
        raise WorkshopError(f"{CHOICE}={chosen()} does not answer.", why, then) from error

"""Which language model is used: the offline one, unless ``WORKSHOP_MODEL`` names another."""

import os
import sys
from typing import Any

from workshop_lib.evidence.messages import WorkshopError
from workshop_lib.evidence.state import service_address

CHOICE = "WORKSHOP_MODEL"
OFFLINE = "offline"
SERVICE = "model"  # the offline model's name as a service and in the names of faults
ATTEMPT_SECONDS = 20.0
_BACK = f"Or unset {CHOICE} and restart the kernel: the offline model needs no key."


def chosen() -> str:
    """The name of the model in use: LiteLLM's name of a real one, or ``"offline"``."""
    return os.environ.get(CHOICE, "").strip() or OFFLINE


def described() -> str:
    """The model in use, in a sentence for a learner."""
    if chosen() == OFFLINE:
        return f"offline. It is a set of rules, not intelligence. Set {CHOICE} for a real one."
    return f"{chosen()}, from {CHOICE}. Cells that make the model fail, and checks, use the offline one."


def model(name: str = "") -> dict[str, Any]:
    """Return the arguments of ``litellm.acompletion`` that choose the model.

    Args:
        name: A name of LiteLLM's; ``"offline"`` for the offline model; empty for the one in use.

    Raises:
        WorkshopError: The offline model is not running.
    """
    if "litellm" in sys.modules:
        # Otherwise it prints two advertisements for each error.
        sys.modules["litellm"].suppress_debug_info = True  # type: ignore[attr-defined]
    # Only Temporal retries: retries at two levels multiply.
    common = {"timeout": ATTEMPT_SECONDS, "max_retries": 0}
    if (name or chosen()) != OFFLINE:
        return {"model": name or chosen(), **common}
    return {"model": "openai/offline", "api_base": service_address(SERVICE) + "/v1", "api_key": OFFLINE, **common}


async def probe() -> None:
    """Ask a real model for one word, so that a wrong key is found now and not in the middle of a notebook.

    Raises:
        WorkshopError: The model does not answer; the message says what to do.
    """
    if chosen() == OFFLINE:
        return
    import litellm  # takes 2.4 s, so only where a real model was chosen

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

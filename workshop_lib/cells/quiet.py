"""Keep the SDK's own logs out of a notebook. What failed is in the history, and the workshop says it in words."""

from __future__ import annotations

import logging
import os
import warnings

# The SDK logs each failed attempt with its whole traceback, on top of recording it in the history. These loggers
# belong to the SDK. Those that a learner uses (activity.logger, workflow.logger) keep their own messages.
_SDK_LOGGERS = ("temporalio.worker", "temporalio.client", "temporalio.nexus", "temporalio.service", "asyncio")


def _is_learners_own(record: logging.LogRecord) -> bool:
    # activity.logger is used by both: the SDK's calls come from its own files.
    return "temporalio" not in record.pathname.replace("\\", "/").split("/")


def quieten() -> None:
    """Turn the logs of the SDK, in Python and in its Rust core, off for this process. Do it before the first Client."""
    from temporalio.runtime import LoggingConfig, Runtime, TelemetryConfig, TelemetryFilter

    for name in _SDK_LOGGERS:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    for name in ("temporalio.activity", "temporalio.workflow"):
        logger = logging.getLogger(name)
        if _is_learners_own not in logger.filters:
            logger.addFilter(_is_learners_own)
    # The sandbox imports what a workflow imports a second time, late, and says so to the author of the import.
    warnings.filterwarnings("ignore", message=".*was imported after initial workflow load.*")
    # A forgotten `await` in a workflow is told where it fails; Python says it again, later, under some other cell.
    never = r"coroutine '(execute_\w+|start_\w+|sleep|wait_condition)' was never awaited"
    warnings.filterwarnings("ignore", message=never)
    quieten_litellm()
    telemetry = TelemetryConfig(
        logging=LoggingConfig(filter=TelemetryFilter(core_level="OFF", other_level="OFF")), metrics=None
    )
    Runtime.set_default(Runtime(telemetry=telemetry), error_if_already_set=False)


def quieten_litellm() -> None:
    """Keep LiteLLM and the Agents SDK from the network, and their logs out of a notebook. Do it before their import."""
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # else it fetches a price list when imported
    os.environ.setdefault("OPENAI_AGENTS_DISABLE_TRACING", "1")  # else traces go to OpenAI
    for name in ("LiteLLM Router", "LiteLLM Proxy", "httpx", "httpx2"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # OpenAI's types, which pydantic meets when the plugin converts the first of them.
    warnings.filterwarnings("ignore", message=".*is using the `ReadOnly` qualifier.*")
    # What fails they raise, and it stands in the history. What LiteLLM logs besides is trouble of its own bookkeeping,
    # which takes a process for one loop; each in-process Worker has a loop of its own.
    for name in ("LiteLLM", "openai.agents", "mcp.client", "client"):  # the last is MCP's, too
        logging.getLogger(name).setLevel(logging.CRITICAL)

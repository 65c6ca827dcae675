"""Keep the SDK's logs out of a notebook. Failures are in the history, and the workshop explains them."""

import logging
import os
import sys
import warnings
from typing import Any, cast

import temporalio

# The SDK logs each failed attempt with its traceback, and records it in the history. These loggers are the SDK's. Those
# that a learner uses (activity.logger, workflow.logger) keep the learner's messages.
_SDK_LOGGERS = ("temporalio.worker", "temporalio.client", "temporalio.nexus", "temporalio.service", "asyncio")


def _is_learners_own(record: logging.LogRecord) -> bool:
    # The SDK uses activity.logger as well, but from its own files.
    return not record.pathname.startswith(os.path.dirname(temporalio.__file__))


def quieten() -> None:
    """Switch off the SDK's logs, in Python and in its Rust core. Call it before the first Client is made."""
    from temporalio.runtime import LoggingConfig, Runtime, TelemetryConfig, TelemetryFilter

    for name in _SDK_LOGGERS:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    for name in ("temporalio.activity", "temporalio.workflow"):
        logger = logging.getLogger(name)
        if _is_learners_own not in logger.filters:
            logger.addFilter(_is_learners_own)
    # The sandbox imports what a workflow imports a second time, later, and warns about it.
    warnings.filterwarnings("ignore", message=".*was imported after initial workflow load.*")
    # A forgotten `await` in a workflow is explained where it fails. Python's warning comes later, under another cell.
    never = r"coroutine '(execute_\w+|start_\w+|sleep|wait_condition)' was never awaited"
    warnings.filterwarnings("ignore", message=never)
    # With Jupyter comes a checker of internationalized addresses. jsonschema imports it where it is, for a format that
    # nobody here asks for, and that takes nine tenths of jsonschema's import (its issues 1392 and 1428): a second.
    cast("dict[str, Any]", sys.modules).setdefault("rfc3987_syntax", None)
    quieten_litellm()
    off = LoggingConfig(filter=TelemetryFilter(core_level="OFF", other_level="OFF"))
    telemetry = TelemetryConfig(logging=off, metrics=None)
    Runtime.set_default(Runtime(telemetry=telemetry), error_if_already_set=False)


def quieten_litellm() -> None:
    """Keep LiteLLM and the Agents SDK off the network, and their logs out of notebooks. Call it before their import."""
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # otherwise its import downloads a price list
    os.environ.setdefault("OPENAI_AGENTS_DISABLE_TRACING", "1")  # otherwise it sends traces to OpenAI
    for name in ("LiteLLM Router", "LiteLLM Proxy", "httpx", "httpx2"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # pydantic warns about OpenAI's types when the plugin converts the first of them.
    warnings.filterwarnings("ignore", message=".*is using the `ReadOnly` qualifier.*")
    # They raise what fails, so it is in the history. LiteLLM also logs problems of its bookkeeping, which expects one
    # loop in a process, while each in-process Worker has its own.
    for name in ("LiteLLM", "openai.agents", "mcp.client", "client"):  # the last is MCP's, too
        logging.getLogger(name).setLevel(logging.CRITICAL)

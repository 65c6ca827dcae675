"""What the library uses of the SDK although it is not public. Red with each new version: is there a public way now?"""

from importlib.metadata import version
from typing import Any

import flows
from temporalio.client import WorkflowHandle


def test_private_parts_of_the_sdk() -> None:
    assert version("temporalio").startswith("1.35."), "look at the three places again, then write the new version here"
    activity = flows.shaky.__temporal_activity_definition  # type: ignore[attr-defined]
    assert activity.name == "shaky", "workers/in_process.py: offer"
    workflow = flows.Echo.__temporal_workflow_definition  # type: ignore[attr-defined]
    assert workflow.name == "Echo", "cells/workflow_cells.py: Edit.workflow_types"
    client: Any = object()
    assert WorkflowHandle(client, "id")._client is client, "evidence/history.py: linked"

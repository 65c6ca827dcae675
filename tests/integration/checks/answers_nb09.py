"""Answers to the exercises of notebook 09."""

from answers import right, wrong

_ID = 'id = f"stock-price-{key}"'
_REFUSE = "id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,"
_RUN = 'client.execute_workflow(PriceStock.run, StockQuery(ticker), id={}, task_queue="finance"{})'
_EXISTS = "    except WorkflowAlreadyStartedError:"
_FAILS = "    except WorkflowFailureError:\n        return None\n"
_KEPT = "tools = [tool for tool in agent.tools if tool.name in ALLOWED]"

ANSWERS = {
    "9.1": [
        right(
            "joins",
            (_ID, 'id = f"{key}/{ticker}"'),
            (_REFUSE, f"{_REFUSE} id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,"),
        ),
        wrong(
            "a random id",
            "although calls came again; saw",
            body=f"return await {_RUN.format('str(uuid4())', '')}",
        ),
        wrong(
            "only refuses",
            "Catch `WorkflowAlreadyStartedError`",
            ("except WorkflowAlreadyStartedError", "except KeyError"),
        ),
        wrong(
            "remembers results",
            "A process forgets",
            body=f"""
                if key not in DONE:
                    DONE[key] = await {_RUN.format("key", ", id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING")}
                return DONE[key]
            """,
            imports="DONE = {}",
        ),
        wrong(
            "again after a failure",
            "one Workflow for a call that has failed",
            ("REJECT_DUPLICATE", "ALLOW_DUPLICATE_FAILED_ONLY"),
        ),
        wrong("forgets the reason", "The caller needs the failure with its reason", (_EXISTS, f"{_FAILS}{_EXISTS}")),
    ],
    "9.2": [
        right(
            "removed",
            body="""
                for tool in list(agent.tools):
                    if tool.name not in ALLOWED:
                        agent.tools.remove(tool)
                return agent
            """,
        ),
        wrong(
            "denies",
            "You cannot name everything that is forbidden",
            (_KEPT, _KEPT.replace("in ALLOWED", "not in DENIED")),
            imports='DENIED = {"calculate_roi", "set_project", "get_project", "current_project_metrics", "ip_history"}',
        ),
        wrong("names", "Keep the tools' own objects", (_KEPT, _KEPT.replace("[tool for", "[tool.name for"))),
        wrong(
            "replaces nothing",
            "Expected the model to see only what ALLOWED names",
            body=f"{_KEPT}\nreplace(agent, tools=tools)\nreturn agent",
        ),
        wrong(
            "remembers tools",
            "as soon as a server has it",
            body=f"""
                if not hasattr(self, "kept"):
                    self.kept = {_KEPT.partition(" = ")[2]}
                return replace(agent, tools=self.kept)
            """,
        ),
        wrong("no return", "'NoneType' object has no attribute", ("return replace", "replace")),
    ],
}

"""Answers to the exercises of notebook 04."""

from answers import right, wrong

_COUNT = """found = await workflow.execute_activity(
            count_issues, query.project, start_to_close_timeout=LIMIT
        )"""
_RECORD = "await workflow.execute_activity(record, text, start_to_close_timeout=LIMIT)"
_ID = 'id=f"{workflow.info().workflow_id}-jira-{self.chat.entry_count}"'
_TOOL = 'loop.Tool("jira_metrics", what, ProjectQuery, self.jira_metrics)'
_ONE_TEXT = "Count first, then make one `text`"
_LET_PASS = "Let the failure of `count_issues` pass"
_ONE_CHILD = "Call the Workflow once, set it no limit, wait for its end and return its result"
_START = """await workflow.start_child_workflow(
            YearlyReport.run, query, parent_close_policy=policy
        )"""

ANSWERS = {
    "4.1": [
        right(
            "by name, and says why",
            body="""
                try:
                    found = await workflow.execute_activity("count_issues", query.project, start_to_close_timeout=LIMIT)
                except Exception as error:
                    raise ApplicationError(f"No report of {query.project}.") from error
                text = f"Project {query.project} has closed {found['closed']} issues, and {found['open']} are open."
                await workflow.execute_activity("record", text, start_to_close_timeout=LIMIT)
                return text
            """,
        ),
        wrong("never records", "Count first, then make one `text`", (_RECORD, "")),
        wrong(
            "calls the function",
            "Expected an Activity `count_issues` in the history",
            (_COUNT, "found = count_issues(query.project)"),
        ),
        wrong(
            "gives the query",
            "`count_issues` takes the project's name",
            ("query.project, start_to_close_timeout=LIMIT", "query, start_to_close_timeout=LIMIT"),
        ),
        wrong(
            "records the failure",
            _LET_PASS,
            (
                _COUNT,
                f"""try:
            {_COUNT}
        except Exception:
            await workflow.execute_activity(record, "There is no such project.", start_to_close_timeout=LIMIT)
            raise""",
            ),
        ),
    ],
    "4.2": [
        right(
            "in two steps",
            body="""
                child = workflow.start_child_workflow("MeasureProject", query, id=str(workflow.uuid4()))
                return str(await (await child))
            """,
        ),
        wrong(
            "says nothing",
            "Describe the tool in a customer's words",
            ("Jira metrics of a project: its open and its closed issues.", "A tool of mine."),
        ),
        wrong("id of the project", "Each call needs its own id", (_ID, 'id=f"jira-{query.project}"')),
        wrong("id of an object", "A replay must get the same id", (_ID, 'id=f"jira-{id(object())}"')),
        wrong("runs it itself", _ONE_CHILD, body="return await MeasureProject().run(query)"),
        wrong(
            "hushes up",
            "Let the failure of the child pass",
            body="""
                try:
                    id = f"{workflow.info().workflow_id}-jira-{self.chat.entry_count}"
                    return await workflow.execute_child_workflow(MeasureProject.run, query, id=id)
                except Exception:
                    return "Something went wrong."
            """,
        ),
    ],
    "4.3": [
        right(
            "in a task",
            (_START, f"self.task = asyncio.create_task({_START.removeprefix('await ').replace('start', 'execute')})"),
        ),
        wrong("waits", "only start it", ("start_child", "execute_child")),
        wrong(
            "one a conversation",
            "Each order needs its own id",
            ("query, parent", 'query, id=f"{workflow.info().workflow_id}-report", parent'),
        ),
        wrong("not started", "Start one for each order", ("await workflow.start", "workflow.start")),
        wrong("always the same", "Give each report its own query", ("run, query,", 'run, ProjectQuery("OPS"),')),
        wrong(
            "returns nothing",
            "Return a sentence: the report is on its way",
            ('return f"The report of {query.project} is on its way."', ""),
        ),
    ],
}

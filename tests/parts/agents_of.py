"""Makes a workflow class of one method: what makes the difference between a learner's answer and another one."""

# No `from __future__ import annotations`: see workshop_lib/agents/conversation.py.

from collections.abc import Callable
from typing import Any

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from workshop_lib.agents.conversation import Chat


def agents_of(base: type) -> Callable[[Callable[..., Any]], Any]:
    """A decorator: a function becomes an agent that has it as the base's abstract, or unfinished, method.

    The agent takes the function's place in its module, under its name: the sandbox finds it there.
    """

    def make(function: Callable[..., Any]) -> Any:
        async def run(self, chat: Chat) -> int:  # type: ignore[no-untyped-def]
            return await self.converse()  # type: ignore[no-any-return]

        # As they were if the class were written out: the SDK looks.
        run.__qualname__, run.__module__ = f"{function.__name__}.run", function.__module__
        method = vars(base).get("answered_by", "answer")
        members = {"run": workflow.run(run), method: function, "__module__": function.__module__}
        name = vars(base).get("workflow_type", function.__name__)
        return workflow.defn(name=name)(type(function.__name__, (base,), members))

    return make


def workflows_of(base: type = object) -> Callable[[Callable[..., Any]], Any]:
    """A decorator: a function becomes a workflow that has it as its ``run``, and takes its place in its module."""

    def make(function: Callable[..., Any]) -> Any:
        name = function.__name__
        del function.__annotations__["self"]  # with a type, it would be an argument to the SDK
        function.__name__, function.__qualname__ = "run", f"{name}.run"
        return workflow.defn(type(name, (base,), {"run": workflow.run(function), "__module__": function.__module__}))

    return make

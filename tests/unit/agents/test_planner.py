"""The offline planner: which tools it calls for what people write, with which arguments, and what it says.

What people write is in ``utterances.txt``, one message a line, and in ``talks.txt``, one conversation a block.
"""

import ast
import json
import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import workshop_lib.agents.model
from workshop_lib.agents.model.planner import plan

Json = dict[str, Any]
Calls = list[tuple[str, Json]]
"""Names of tools, and arguments; ``...`` is any value."""

HERE = Path(__file__).parent
STRING: Json = {"type": "string"}
NUMBER: Json = {"type": "number"}
TYPES: dict[str, Json] = {
    "str": STRING,
    "float": NUMBER,
    "int": {"type": "integer"},
    "bool": {"type": "boolean"},
    "list": {"type": "array", "items": STRING},
    "date": {"type": "string", "format": "date"},
    "email": {"type": "string", "format": "email"},
}


def schema(annotation: ast.expr | None) -> Json:
    """The JSON schema of a parameter, from how utterances.txt writes its type."""
    match annotation:
        case ast.Name(name):
            return dict(TYPES[name])
        case ast.Tuple():
            return {"type": "string", "enum": list(ast.literal_eval(annotation))}
        case ast.Dict(keys, values):
            names = [key.value for key in keys if isinstance(key, ast.Constant)]
            properties = {name: schema(value) for name, value in zip(names, values, strict=True)}
            return {"type": "object", "properties": properties, "required": names}
        case ast.BinOp(left, ast.BitOr()):
            return {"anyOf": [schema(left), {"type": "null"}], "default": None}
        case ast.Call(ast.Name() as name, [ast.Constant(description)]):
            return {**schema(name), "description": description}
    raise AssertionError(annotation)


def tool(line: str) -> Json:
    """A tool from its line, such as ``def weather(city: str): The weather in a city.``"""
    signature, _, description = line.partition("):")
    # Keyword-only, because optional parameters may come before needed ones.
    (definition,) = ast.parse(f"{signature.replace('(', '(*, ', 1) if ':' in signature else signature}): ...").body
    assert isinstance(definition, ast.FunctionDef)
    properties = {argument.arg: schema(argument.annotation) for argument in definition.args.kwonlyargs}
    for argument, default in zip(definition.args.kwonlyargs, definition.args.kw_defaults, strict=True):
        properties[argument.arg] |= {"default": ast.literal_eval(default)} if default else {}
    required = [name for name, each in properties.items() if "default" not in each]
    parameters = {"type": "object", "properties": properties, "required": required}
    return function(definition.name, description.strip(), parameters)


def function(name: str, description: str, parameters: Json) -> Json:
    return {"type": "function", "function": {"name": name, "description": description, "parameters": parameters}}


def calls(text: str) -> Calls:
    """Calls as the files write them: ``weather(city="Oslo"); get_ip()``, or ``nothing``."""
    found: Calls = []
    for statement in [] if text == "nothing" else ast.parse(text).body:
        assert isinstance(statement, ast.Expr)
        assert isinstance(statement.value, ast.Call)
        arguments = {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in statement.value.keywords}
        found.append((ast.unparse(statement.value.func), arguments))
    return found


TOOLS: dict[str, list[Json]] = {}
TABLE: list[tuple[str, str, str]] = []
"""Whose tools, what the user says, and what is to come of it."""


def read_utterances() -> None:
    name = ""
    for line in (HERE / "utterances.txt").read_text().splitlines():
        if line.startswith("# "):
            name = line[2:]
        elif line.startswith("def "):
            TOOLS.setdefault(name, []).append(tool(line))
        elif " → " in line and name:
            said, _, wanted = line.partition(" → ")
            TABLE.append((name, said, wanted))


def read_talks() -> Iterator[tuple[str, list[str]]]:
    name = ""
    for block in (HERE / "talks.txt").read_text().split("\n\n")[1:]:
        name = block[2:].strip() if block.startswith("# ") else name
        if not block.startswith("# "):
            yield name, block.splitlines()


read_utterances()
SHOP, HOME, DISPATCHER = TOOLS["SHOP"], TOOLS["HOME"], TOOLS["DISPATCHER"]


def user(text: Any) -> Json:
    return {"role": "user", "content": text}


def calls_of(message: Json) -> Calls:
    found = [call["function"] for call in message.get("tool_calls") or []]
    return [(each["name"], json.loads(each["arguments"])) for each in found]


def same(made: Calls, wanted: Calls) -> bool:
    """Whether calls are those that were wanted, in any order."""

    def equal(call: tuple[str, Json], other: tuple[str, Json]) -> bool:
        (name, arguments), (expected, values) = call, other
        alike = name == expected and arguments.keys() == values.keys()
        return alike and all(value in (..., arguments[key]) for key, value in values.items())

    return len(made) == len(wanted) and all(any(equal(call, other) for call in made) for other in wanted)


@pytest.mark.parametrize(("name", "said", "wanted"), TABLE, ids=[said for _, said, _ in TABLE])
def test_an_utterance(name: str, said: str, wanted: str) -> None:
    message = plan([user(said)], TOOLS[name])
    made = calls_of(message)
    assert (message["content"] is None) == bool(made)
    if wanted.startswith("says "):
        assert not made
        assert re.search(wanted.removeprefix("says "), message["content"])
    else:
        assert same(made, calls(wanted)), made


class Talk:
    """A conversation with the planner, whose calls are answered by ``answer``."""

    def __init__(self, tools: list[Json], answer: Callable[[str, Json], str]) -> None:
        self.tools = tools
        self.answer = answer
        self.messages: list[Json] = []
        self.rounds: list[Calls] = []

    def say(self, text: str) -> str:
        """One turn, to its end: what the planner says."""
        self.messages.append(user(text))
        self.rounds = []
        for _ in range(12):
            message = plan(self.messages, self.tools)
            self.messages.append(message)
            if not message.get("tool_calls"):
                return str(message["content"])
            self.rounds.append(calls_of(message))
            for call, (name, arguments) in zip(message["tool_calls"], self.rounds[-1], strict=True):
                content = self.answer(name, arguments)
                self.messages.append({"role": "tool", "tool_call_id": call["id"], "content": content})
        raise AssertionError("the turn does not end")


@pytest.mark.parametrize(("name", "lines"), list(read_talks()))
def test_a_talk(name: str, lines: list[str]) -> None:
    results = dict(line.split(" = ", 1) for line in lines if line[0] not in ">!<")
    talk = Talk(TOOLS[name], lambda tool, _: results.get(tool, f"{tool} is done"))
    for turn in re.split("(?m)^> ", "\n".join(lines))[1:]:
        said, *expected = turn.splitlines()
        reply = talk.say(said)
        rounds = [calls(line[2:]) for line in expected if line.startswith("! ")]
        if rounds:
            wanted = [each for each in rounds if each]
            assert len(talk.rounds) == len(wanted), talk.rounds
            assert all(map(same, talk.rounds, wanted)), talk.rounds
        whole = [line[2:] for line in expected if line.startswith("< ")]
        assert not whole or reply == "\n".join(whole)
        for line in expected:
            assert not line.startswith("<~ ") or line[3:] in reply, reply


def before(name: str, arguments: str, content: str, at: int = 0) -> list[Json]:
    """A call that was made, and what came of it."""
    call = {"id": f"call_{at}", "type": "function", "function": {"name": name, "arguments": arguments}}
    return [
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": f"call_{at}", "content": content},
    ]


@pytest.mark.parametrize(
    ("name", "arguments", "content"),
    [
        ("weather", '{"city": ["?"]}', "Invalid arguments for weather. city: Input should be a valid string"),
        ("weather", '{"town": "Nairobi"}', "1 validation error for weather\ncity\n  Field required [type=missing]"),
        ("weather_2", '{"city": "Nairobi"}', "Unknown tool 'weather_2'. There are: calculator, weather."),
    ],
)
def test_mistakes_are_repaired_twice(name: str, arguments: str, content: str) -> None:
    messages = [user("How is the weather in Nairobi?"), *before(name, arguments, content)]
    for _ in range(2):
        assert calls_of(plan(messages, DISPATCHER)) == [("weather", {"city": "Nairobi"})]
        messages += before(name, arguments, content, len(messages))
    message = plan(messages, DISPATCHER)
    assert calls_of(message) == []
    assert "did not work" in message["content"]
    messages[-2:] = before("weather", '{"city": "Nairobi"}', "Nairobi: sun, 26 °C", 9)
    assert plan(messages, DISPATCHER)["content"] == "Nairobi: sun, 26 °C."


def test_after_a_handover_the_next_agents_tools_are_used() -> None:
    said = "Refund 30 dollars for order-7"
    hand = tool("def transfer_to_cashier(): Handoff to the cashier agent to handle refunds.")
    assert calls_of(plan([user(said)], [hand])) == [("transfer_to_cashier", {})]
    handed = [user(said), *before("transfer_to_cashier", "{}", '{"assistant": "cashier"}')]
    assert calls_of(plan(handed, SHOP)) == [("refund", {"order": "order-7", "amount": 30})]


def test_ids_are_unique_and_always_the_same() -> None:
    first, second = (Talk(SHOP, lambda *_: "done") for _ in range(2))
    for talk in (first, second):
        for said in ("weather in Paris and in Rome", "and in Oslo?", "the price of AAPL, then my ip"):
            talk.say(said)
    assert first.messages == second.messages
    ids = [call["id"] for message in first.messages for call in message.get("tool_calls") or []]
    assert len(ids) == len(set(ids)) == 5


def test_an_argument_may_be_in_an_object_that_is_defined_elsewhere() -> None:
    inner = {"type": "object", "properties": {"ticker": STRING, "days": {"type": "integer"}}, "required": ["ticker"]}
    parameters = {"$defs": {"Query": inner}, "properties": {"input": {"$ref": "#/$defs/Query"}}, "required": ["input"]}
    tools = [function("stock_price", "", parameters)]
    assert calls_of(plan([user("What does ACME cost?")], tools)) == [("stock_price", {"input": {"ticker": "ACME"}})]
    assert "need the ticker:" in plan([user("What does a stock cost?")], tools)["content"]


NODE = {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}, "word": STRING}, "required": ["next"]}
NESTED = {"$defs": {"Node": NODE}, "properties": {"node": {"$ref": "#/$defs/Node"}}, "required": ["node"]}
ODD_TOOLS: list[Json] = [
    {"type": "function", "function": {"name": "bare"}},
    {"type": "function", "function": {"name": "y", "description": None, "parameters": {"type": "object"}}},
    function("loop", "A tree of words.", NESTED),
    function("one_of", "Either.", {"properties": {"either": {"anyOf": [STRING, NUMBER]}, "const": {"const": 3}}}),
]


def test_any_text_is_answered() -> None:
    chance = random.Random(1)
    words = [*" ".join(said for _, said, _ in TABLE).split(), *"\"'()-%$—\n5{}[`é\\", "then", "and", "not", "日本"]
    results = ["error ", "missing ", "'city' ", "must be a ", "{", "5", " ", "[", "x"]
    for _ in range(300):
        text = " ".join(chance.choice(words) for _ in range(chance.randint(0, 25)))
        content = "".join(chance.choice(results) for _ in range(9))
        for tools in (SHOP, TOOLS["OFFICE"], HOME, TOOLS["PARCELS"], ODD_TOOLS):
            message = plan([user(text)], tools)
            assert message["content"] or message["tool_calls"]
            assert plan([user(text), *before(chance.choice(["weather", "x"]), '{"city": 1}', content)], tools)


def test_the_planner_names_no_tool_ticker_or_team() -> None:
    places = ("city", "symbol", "ticker", "project", "country", "artist", "language")
    names = {each["function"]["name"] for tools in TOOLS.values() for each in tools}
    wanted = [call for _, _, text in TABLE if not text.startswith("says ") for call in calls(text)]
    names |= {value for _, given in wanted for name, value in given.items() if name in places and value is not ...}
    folder = Path(workshop_lib.agents.model.__file__).parent
    source = "\n".join(path.read_text() for path in sorted(folder.iterdir()) if path.is_file()).lower()
    for name in sorted(names):
        assert not re.search(rf"\b{re.escape(name.lower())}\b", source), name

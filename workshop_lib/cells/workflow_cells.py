"""``%%workflow NAME``: a cell becomes the module NAME.

The SDK's sandbox imports a workflow's module a second time, and a spawned Worker imports it in another process.
Neither can find a class from an ordinary cell, which is in ``__main__``. So the cell is written to a file and imported
from there, and its public names are added to the notebook.
"""

import ast
import graphlib
import importlib
import importlib.util
import keyword
import linecache
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from pyflakes.checker import Checker
from pyflakes.messages import UndefinedName

from workshop_lib.evidence.failures import describe, line_of_cell
from workshop_lib.evidence.messages import WorkshopError


class CellError(WorkshopError):
    """A ``%%workflow`` cell that cannot become a module. Its former code is still in use."""


_FIX = "Fix that line, and run the cell again."


@dataclass(frozen=True)
class Edit:
    """The edit of a cell.

    Attributes:
        modules: The modules that it replaced, in the order of their import.
        keep_open: Whether to keep the open executions of their workflows.
    """

    modules: tuple[str, ...]
    keep_open: bool

    @property
    def workflow_types(self) -> list[str]:
        """The names under which the workflows of these modules are registered."""
        # The SDK's decorator leaves its definition in this attribute; no public way (tests/unit/house/test_sdk.py).
        values = [(module, value) for module in self.modules for value in vars(sys.modules[module]).values()]
        own = [value for module, value in values if isinstance(value, type) and value.__module__ == module]
        definitions = [vars(value).get("__temporal_workflow_definition") for value in own]
        return [definition.name for definition in definitions if definition is not None and definition.name]


class Cells:
    """The ``%%workflow`` cells of one notebook.

    Args:
        folder: The folder for their modules.
        names: The notebook's names, to which a cell's public names are added.
    """

    def __init__(self, folder: Path, names: dict[str, Any]) -> None:
        self._folder, self._names = folder, names
        self._subscribers: list[Callable[[Edit], None]] = []
        self._red: set[str] = set()  # cells whose last run failed; their former code is in use
        self._waiting: dict[str, str] = {}  # the new text of those that others have to be changed for
        self._imported: list[str] = []
        self._unpublished: list[str] = []  # replaced modules that not every subscriber has processed
        # What edits replaced: the object, its module, its name there.
        self._former: dict[int, tuple[Any, str, str]] = {}
        # Python's cache of compiled modules compares sizes, and times in whole seconds, so it would not notice a quick
        # edit. Here it cannot keep anything, because its folder is a file.
        shutil.rmtree(folder / "__pycache__", ignore_errors=True)
        (folder / "__pycache__").touch()
        if str(folder) not in sys.path:
            sys.path.append(str(folder))

    def subscribe(self, take_up: Callable[[Edit], None]) -> None:
        """Have a function called with each edit, after earlier subscribers. If it fails, it gets the edit again."""
        self._subscribers.append(take_up)

    def run(self, line: str, cell: str) -> None:
        """Run a ``%%workflow`` cell.

        Args:
            line: ``NAME``, or ``NAME --keep-open`` to keep the open executions of an edited workflow.
            cell: The cell's text.

        Raises:
            CellError: The name is taken, or the text fails; the message names the line.
        """
        name, *options = line.split() or [""]
        plain = name.isidentifier() and name.isascii() and not keyword.iskeyword(name)  # it becomes a file name
        if options not in ([], ["--keep-open"]) or not plain:
            then = "Write %%workflow NAME, where NAME is a new module name of letters, digits and underscores."
            raise CellError(f"%%workflow {line} is not understood.", then=then)
        self._refuse_if_taken(name)
        # The first line replaces the magic, so that line numbers are those of the cell.
        source = "\n".join([f"# %%workflow {name}", *cell.rstrip("\n").split("\n"), ""])
        before = self._read(name)
        edited = before is not None and before != source
        try:
            self._refuse_if_wrong(name, source)
            replaced = self._replace(name, source) if edited or name not in self._imported else [name]
        except CellError as error:
            if name in self._imported:
                self._red.add(name)
                error.then += "\nUntil then, the cell's former code stays in use."
            raise
        self._taken(name)
        for module in replaced:
            self._publish(sys.modules[module])
        if edited:
            self._unpublished = [module for module in self._unpublished if module not in replaced] + replaced
        if self._unpublished:
            for take_up in self._subscribers:
                take_up(Edit(tuple(self._unpublished), keep_open=bool(options)))
            self._unpublished = []

    def copy(self, cell: str, name: str, changes: Mapping[str, str] | None = None) -> None:
        """Run a cell again under another name, as copy and paste would. Open executions are left alone.

        Args:
            cell: The name of a ``%%workflow`` cell that has run.
            name: The name of the copy.
            changes: What to replace in it, and with what.

        Raises:
            CellError: There is no such cell, or its copy does not run.
        """
        source = self._read(cell)
        if source is None:
            raise CellError(f"There is no cell {cell!r} to copy.", then=f"Run the cell `%%workflow {cell}` first.")
        for old, new in (changes or {}).items():
            source = source.replace(old, new)
        self.run(f"{name} --keep-open", source.partition("\n")[2])

    def refuse_if_red(self, answer: Any) -> None:
        """Refuse to check an answer whose cell's last run failed.

        Args:
            answer: A class or function of a cell.

        Raises:
            CellError: The cell's last run failed.
        """
        name = getattr(answer, "__module__", None)
        if name in self._red:
            what = f'The last run of the cell "{name}" failed, so there is nothing new to check.'
            raise CellError(what, then="Fix that cell first. The end of its output says what to do.")

    def latest(self, thing: Any) -> Any:
        """A class, function, bound method or instance as its cell defines it now; anything else unchanged.

        Args:
            thing: An argument of a Worker.

        Raises:
            CellError: The cell no longer defines it.
        """
        owner = getattr(thing, "__self__", None)
        if owner is not None and not isinstance(owner, type | ModuleType):
            return getattr(self.latest(owner), thing.__name__)
        if not isinstance(thing, type) and id(type(thing)) in self._former:
            # An instance, such as a Nexus handler, keeps its state and gets new methods. `object` assigns the class,
            # because a frozen dataclass would refuse.
            object.__setattr__(thing, "__class__", self.latest(type(thing)))
        if id(thing) not in self._former:
            return thing
        _, module, name = self._former[id(thing)]
        if not hasattr(sys.modules[module], name):
            then = f"Define {name} there, or give the Worker what replaces it."
            raise CellError(f"The cell {module!r} no longer defines {name}.", then=then)
        return getattr(sys.modules[module], name)

    def _refuse_if_taken(self, name: str) -> None:
        if name in self._imported:
            return
        try:
            spec = importlib.util.find_spec(name)
        except ValueError:  # a module without a specification, such as __main__
            spec = importlib.util.spec_from_loader(name, None)
        if spec is not None and spec.origin != str(self._folder / f"{name}.py"):
            why = f"`import {name}` already gives {spec.origin or 'a package'}."
            then = f"Choose another name, such as %%workflow my_{name}."
            raise CellError(f"%%workflow {name}: the name is taken.", why, then)

    def _refuse_if_wrong(self, name: str, source: str) -> None:
        lines = source.split("\n")  # as Python counts them: other characters do not end a line
        try:
            tree = ast.parse(source)
        except SyntaxError as error:
            number = error.lineno or 1
            text = lines[number - 1] if number <= len(lines) else ""
            raise CellError(f"SyntaxError: {error.msg} ({line_of_cell(name, number, text)})", then=_FIX) from None
        for message in Checker(tree).messages:
            if isinstance(message, UndefinedName):
                unknown = str(message.message_args[0])
                where = line_of_cell(name, message.lineno, lines[message.lineno - 1])
                why = "A %%workflow cell is a module: it knows only what it defines and imports."
                what = f"NameError: name {unknown!r} is not defined ({where})"
                raise CellError(what, why, self._how_to_import(unknown))

    def _how_to_import(self, unknown: str) -> str:
        value = self._names.get(unknown)
        if value is None:
            return f"If {unknown!r} is not a typing error, define or import it in this cell."
        if isinstance(value, ModuleType):
            parent, _, last = value.__name__.rpartition(".")
            line = f"from {parent} import {last}" if parent else f"import {value.__name__}"
            return f"Add to this cell: {line}" + ("" if last == unknown else f" as {unknown}")
        module = getattr(value, "__module__", None)
        if module in (None, "__main__") or not hasattr(value, "__qualname__"):
            return f"{unknown!r} is defined in an ordinary cell. Move its definition to a %%workflow cell."
        return f"Add to this cell: from {_public(module, value)} import {value.__qualname__}"

    def _replace(self, name: str, source: str) -> list[str]:
        # A contract and its handler change together, although one cell runs after the other.
        edits = {each: text for each, text in self._waiting.items() if name in self._affected([each])}
        edits[name] = source
        modules, kept = self._import_again(name, edits)
        for module, former in kept.items():
            for title, value in vars(former).items():
                if getattr(value, "__module__", None) == module:  # not what it only imports
                    self._former.setdefault(id(value), (value, module, title))
        self._taken(*edits)
        if name not in self._imported:
            self._imported.append(name)
        return modules

    def _import_again(self, name: str, edits: dict[str, str]) -> tuple[list[str], dict[str, ModuleType]]:
        """Import edited cells and their dependents: the names of these modules, and those that they replace."""
        before = {each: self._read(each) for each in edits}
        self._write(edits)
        modules, module = [*edits], name
        kept: dict[str, ModuleType] = {}
        try:
            modules = self._affected(edits)
            for module in modules:
                if module in sys.modules:
                    kept[module] = sys.modules.pop(module)
                importlib.import_module(module)
        except BaseException as error:
            reason = describe(error)[-1].strip()  # while the file still has the line that failed
            # The sandbox reads the file for each run of a workflow, so it must be the code that the Workers have.
            self._write(before)
            for each in modules:
                sys.modules.pop(each, None)
            sys.modules.update(kept)
            if not isinstance(error, Exception):
                raise
            if module == name:
                raise CellError(reason, then=_FIX) from error
            self._waiting[name] = edits[name]
            then = f'Change the cell "{module}" to match this one, and run it. Then both are taken.'
            raise CellError(reason, then=then) from error
        return modules, kept

    def _taken(self, *names: str) -> None:
        for name in names:
            self._red.discard(name)
            self._waiting.pop(name, None)

    def _read(self, name: str) -> str | None:
        path = self._folder / f"{name}.py"
        return path.read_text(encoding="utf-8") if path.exists() else None

    def _write(self, texts: Mapping[str, str | None]) -> None:
        """Write modules, or remove those without a text."""
        for name, text in texts.items():
            path = self._folder / f"{name}.py"
            if text is None:
                path.unlink()
            else:
                path.write_text(text, encoding="utf-8")
            linecache.checkcache(str(path))
        importlib.invalidate_caches()

    def _affected(self, names: Iterable[str]) -> list[str]:
        """These cells and those that import them, directly or indirectly, each after those that it imports."""
        known = dict.fromkeys([*self._imported, *names])
        imports = {module: _imports(self._read(module) or "") & known.keys() for module in known}
        try:
            order = list(graphlib.TopologicalSorter(imports).static_order())
        except graphlib.CycleError as error:
            raise ImportError(f"cells import each other: {' → '.join(reversed(error.args[1]))}") from None
        found = set(names)
        for module in order:
            if imports[module] & found:
                found.add(module)
        return [module for module in order if module in found]

    def _publish(self, module: ModuleType) -> None:
        self._names.update({name: value for name, value in vars(module).items() if not name.startswith("_")})


def _public(module: str, value: Any) -> str:
    """The shortest package that exports the same object: ``temporalio.worker``, not ``temporalio.worker._worker``."""
    parts = module.split(".")
    packages = [".".join(parts[: length + 1]) for length in range(len(parts))]
    same = (name for name in packages if getattr(sys.modules.get(name), value.__name__, None) is value)
    return next(same, module)


def _imports(source: str) -> set[str]:
    nodes = list(ast.walk(ast.parse(source)))
    plain = {alias.name.split(".")[0] for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return plain | {(node.module or "").split(".")[0] for node in nodes if isinstance(node, ast.ImportFrom)}

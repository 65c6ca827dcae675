"""``%%workflow NAME``: a cell becomes the module NAME.

The SDK's sandbox imports a workflow's module a second time, and a spawned worker imports it in another process.
A class from an ordinary cell lives in ``__main__``, where neither can find it. So the cell is written to a file,
imported from there, and its names are put into the notebook.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import keyword
import linecache
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from pyflakes.checker import Checker
from pyflakes.messages import UndefinedName

from workshop_lib.failures import describe
from workshop_lib.messages import WorkshopError


class CellError(WorkshopError):
    """A ``%%workflow`` cell that cannot become a module. Nothing has changed: the cell as it was is still in use."""


class Cells:
    """The ``%%workflow`` cells of one notebook.

    Args:
        folder: Where their modules stand.
        names: The notebook's names; a cell's public names are put there.
        changed: Told of the modules that an edit replaced, in the order of their import, and whether their open
            executions are to be kept.
    """

    def __init__(self, folder: Path, names: dict[str, Any], changed: Callable[[list[str], bool], None]) -> None:
        self._folder, self._names, self._changed = folder, names, changed
        self._imported: list[str] = []
        if str(folder) not in sys.path:
            sys.path.append(str(folder))

    def run(self, line: str, cell: str) -> None:
        """Run a ``%%workflow`` cell.

        Args:
            line: ``NAME``, or ``NAME --keep-open`` to leave the open executions of an edited workflow alone.
            cell: The cell's text.

        Raises:
            CellError: The name is taken or the text does not run; the line is named.
        """
        name, *options = line.split() or [""]
        if options not in ([], ["--keep-open"]) or not name.isidentifier() or keyword.iskeyword(name):
            raise CellError(
                f"%%workflow {line} is not understood.", then="Write %%workflow NAME, where NAME is a new module name."
            )
        self._refuse_if_taken(name)
        # The first line stands for the magic, so that line numbers are those of the cell.
        source = f"# %%workflow {name}\n{cell}"
        path = self._folder / f"{name}.py"
        self._refuse_if_wrong(name, source, path)
        before = path.read_text() if path.exists() else None
        edited = before is not None and before != source
        new = edited or name not in self._imported
        replaced = self._replace(name, source, before) if new else [name]
        for module in replaced:
            self._publish(sys.modules[module])
        if edited:
            self._changed(replaced, bool(options))

    def latest(self, thing: Any) -> Any:
        """A class, function, bound method or instance of a cell, as the cell defines it now; others unchanged."""
        owner = getattr(thing, "__self__", None)
        if owner is not None and not isinstance(owner, ModuleType):
            return getattr(self.latest(owner), thing.__name__)
        definition = thing if hasattr(thing, "__qualname__") else type(thing)
        if definition.__module__ not in self._imported:
            return thing
        newest: Any = sys.modules[definition.__module__]
        for part in definition.__qualname__.split("."):
            newest = getattr(newest, part)
        if definition is thing:
            return newest
        thing.__class__ = newest  # an instance, such as a Nexus handler, keeps its state and gets the new methods
        return thing

    def _refuse_if_taken(self, name: str) -> None:
        path = self._folder / f"{name}.py"
        try:
            spec = importlib.util.find_spec(name)
        except (ImportError, ValueError):
            spec = None
        origin = spec.origin if spec else None
        if (spec is not None and origin != str(path)) or name in sys.builtin_module_names:
            raise CellError(
                f"%%workflow {name}: the name is taken.",
                f"`import {name}` already gives {origin or 'a package'}.",
                f"Choose another name, such as %%workflow my_{name}.",
            )

    def _refuse_if_wrong(self, name: str, source: str, path: Path) -> None:
        lines = source.splitlines()
        try:
            tree = ast.parse(source, str(path))
        except SyntaxError as error:
            number = error.lineno or 1
            text = lines[number - 1].strip() if number <= len(lines) else ""
            raise CellError(
                f'SyntaxError: {error.msg} (cell "{name}", line {number}: {text})', then="Mend that line."
            ) from None
        for message in Checker(tree, str(path)).messages:
            if isinstance(message, UndefinedName):
                unknown = str(message.message_args[0])
                raise CellError(
                    f"NameError: name {unknown!r} is not defined "
                    f'(cell "{name}", line {message.lineno}: {lines[message.lineno - 1].strip()})',
                    "A %%workflow cell is a module of its own: it knows what it defines and imports, and nothing else.",
                    self._how_to_import(unknown),
                )

    def _how_to_import(self, unknown: str) -> str:
        value = self._names.get(unknown)
        if value is None:
            return f"Is {unknown!r} a typing error? If not, define or import it in this cell."
        if isinstance(value, ModuleType):
            parent, _, last = value.__name__.rpartition(".")
            line = f"from {parent} import {last}" if parent else f"import {value.__name__}"
            return f"Add to this cell: {line}" + ("" if last == unknown else f" as {unknown}")
        module = getattr(value, "__module__", None)
        if module in (None, "__main__") or not hasattr(value, "__qualname__"):
            return f"{unknown!r} stands in an ordinary cell. Move its definition to a %%workflow cell."
        return f"Add to this cell: from {_public(module, value)} import {value.__qualname__}"

    def _replace(self, name: str, source: str, before: str | None) -> list[str]:
        path = self._folder / f"{name}.py"
        dependents = self._dependents(name)
        kept = {module: sys.modules.get(module) for module in (name, *dependents)}
        path.write_text(source)
        try:
            for module in (name, *dependents):
                self._import(module)
        except Exception as error:
            reason = describe(error)[-1]  # while the line it names is still in the file
            # The sandbox reads the file for each run of a workflow, so it has to fit what the workers hold.
            if before is None:
                path.unlink()
            else:
                path.write_text(before)
            for module, old in kept.items():
                sys.modules.pop(module, None)
                if old is not None:
                    sys.modules[module] = old
            raise CellError(reason, then="Mend that line, and run the cell again.") from error
        if name not in self._imported:
            self._imported.append(name)
        return [name, *dependents]

    def _import(self, name: str) -> None:
        # Two edits within a second, of the same size, look alike to Python's cache of compiled modules.
        for stale in (self._folder / "__pycache__").glob(f"{name}.*.pyc"):
            stale.unlink(missing_ok=True)
        importlib.invalidate_caches()
        linecache.checkcache(str(self._folder / f"{name}.py"))
        sys.modules.pop(name, None)
        importlib.import_module(name)

    def _dependents(self, name: str) -> list[str]:
        found = {name}
        for module in self._imported:  # a module's own imports come before it
            if module != name and found & _imports((self._folder / f"{module}.py").read_text()):
                found.add(module)
        return [module for module in self._imported if module in found - {name}]

    def _publish(self, module: ModuleType) -> None:
        self._names.update({name: value for name, value in vars(module).items() if not name.startswith("_")})


def _public(module: str, value: Any) -> str:
    """The shortest package that has the same thing: ``temporalio.worker``, not ``temporalio.worker._worker``."""
    parts = module.split(".")
    packages = [".".join(parts[: length + 1]) for length in range(len(parts))]
    same = (name for name in packages if getattr(sys.modules.get(name), value.__name__, None) is value)
    return next(same, module)


def _imports(source: str) -> set[str]:
    nodes = list(ast.walk(ast.parse(source)))
    plain = {alias.name.split(".")[0] for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return plain | {(node.module or "").split(".")[0] for node in nodes if isinstance(node, ast.ImportFrom)}


def workflow_types(module: str) -> list[str]:
    """The names under which the workflows of an imported cell are registered."""
    # The SDK's decorator leaves its definition in this attribute.
    definitions = (vars(value).get("__temporal_workflow_definition") for value in _classes_of(module))
    return [definition.name for definition in definitions if definition is not None and definition.name]


def _classes_of(module: str) -> list[type]:
    values = vars(sys.modules[module]).values()
    return [value for value in values if isinstance(value, type) and value.__module__ == module]

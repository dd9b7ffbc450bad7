"""Measures how well the source tree keeps its own rules, beside an earlier measurement and the aim.

Sizes, docstrings and comments cover the packages and the entry points, not tests and bench.
mypy and ruff run where they are installed.

python bench/house.py [--root DIR]
"""

from __future__ import annotations

import argparse
import ast
import importlib.util
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from itertools import chain
from pathlib import Path
from statistics import quantiles

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from evaluation.tables import markdown
from tests.fixtures_house import FLOORS, NOT_THE_PROJECT, ROOT, floor, top

DOORS = ("detect", "train", "evaluate", "review", "serve")
MAX_LINES, MAX_ARGUMENTS, MAX_COLUMNS, DEEP = 40, 7, 100, 3
NESTING = (ast.If, ast.For, ast.While, ast.With, ast.Try, ast.Match)
EARLIER = "d3840df"  # the commit that the second column was measured on
Function = ast.FunctionDef | ast.AsyncFunctionDef
Row = tuple[str, str, str, str]
"""what is measured, at EARLIER, now, the aim"""


@dataclass(frozen=True)
class Source:
    """The Python source of a project: module name -> path, text and syntax tree."""

    root: Path
    paths: dict[str, Path]
    texts: dict[str, str]
    trees: dict[str, ast.Module]

    @classmethod
    def read(cls, root: Path) -> Source:
        """Read the modules below `root` that are not tests or benches."""
        paths = {}
        for path in sorted(root.rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            if parts[0] not in NOT_THE_PROJECT and not any(part.startswith(".") for part in parts):
                paths[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
        texts = {name: path.read_text(encoding="utf-8") for name, path in paths.items()}
        return cls(root, paths, texts, {name: ast.parse(text) for name, text in texts.items()})

    def functions(self) -> list[Function]:
        return [
            node
            for tree in self.trees.values()
            for node in ast.walk(tree)
            if isinstance(node, Function)
        ]

    def lines(self) -> list[str]:
        return [line for text in self.texts.values() for line in text.splitlines()]

    def imported(self, module: str) -> set[str]:
        """The project's own modules that `module` imports anywhere."""
        names = set()
        for node in ast.walk(self.trees[module]):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        return names & self.paths.keys() - {module}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--root", type=Path, default=ROOT, help="another checkout to measure")
    root = parser.parse_args().root
    source = Source.read(root)
    rows = chain(sizes(source), wording(source), structure(source), checks(root), entries(root))
    print(markdown(["what", EARLIER, "now", "aim"], [list(row) for row in rows]))


def sizes(source: Source) -> Iterator[Row]:
    """Lines, nesting and arguments of functions, and lines of files."""
    functions = source.functions()
    lines = sorted(node.end_lineno - node.lineno + 1 for node in functions)
    arguments = [argument_count(node) for node in functions]
    files = sorted(len(text.splitlines()) for text in source.texts.values())
    long = 100 * sum(n > MAX_LINES for n in lines) / len(lines)
    deep = 100 * sum(depth(node) >= DEEP for node in functions) / len(functions)
    many = sum(n > MAX_ARGUMENTS for n in arguments)
    yield "function lines, median / p90 / max", "6 / 17 / 83", spread(lines), "keep"
    yield f"functions over {MAX_LINES} lines, %", "0.7", f"{long:.1f}", "<= 1"
    yield f"functions nested {DEEP} deep or more, %", "3.2", f"{deep:.1f}", "<= 3"
    most = f"{many}; {max(arguments)}"
    yield f"functions with over {MAX_ARGUMENTS} arguments; most", "9; 11", most, "0; 7"
    yield "file lines, median / p90 / max", "", spread(files), "90 to 250"


def spread(numbers: list[int]) -> str:
    """Median, 90th percentile and maximum of sorted numbers."""
    tenths = quantiles(numbers, n=10, method="inclusive")
    return f"{tenths[4]:.0f} / {tenths[8]:.0f} / {numbers[-1]}"


def argument_count(node: Function) -> int:
    """How many arguments a caller can pass, without self and cls."""
    args = node.args
    names = [a.arg for a in (*args.posonlyargs, *args.args, *args.kwonlyargs)]
    return len(names) - (names[:1] in (["self"], ["cls"]))


def depth(node: ast.AST) -> int:
    """How deep control structures are nested in a function; elif and inner functions add none."""
    deepest = 0
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Function | ast.Lambda | ast.ClassDef):
            continue
        is_elif = isinstance(node, ast.If) and isinstance(child, ast.If) and node.orelse == [child]
        own = isinstance(child, NESTING) and not is_elif
        deepest = max(deepest, own + depth(child))
    return deepest


def wording(source: Source) -> Iterator[Row]:
    """Docstrings, comments and long lines."""
    public = [node for tree in source.trees.values() for node in public_definitions(tree)]
    documented = 100 * sum(ast.get_docstring(node) is not None for node in public) / len(public)
    modules = [tree for tree in source.trees.values() if tree.body]
    described = 100 * sum(ast.get_docstring(tree) is not None for tree in modules) / len(modules)
    lines = source.lines()
    comments = 100 * sum(map(comment_count, source.paths.values())) / len(lines)
    wide = 100 * sum(len(line) > MAX_COLUMNS for line in lines) / len(lines)
    shares = f"{documented:.0f}; {described:.0f}"
    yield "public docstrings; module docstrings, %", "74; 99", shares, ">= 80; 99"
    yield "comments in 100 lines", "1.4", f"{comments:.1f}", "2 to 4"
    yield f"lines over {MAX_COLUMNS} columns, %", "12.5", f"{wide:.1f}", "0"


def public_definitions(tree: ast.Module | ast.ClassDef) -> Iterator[Function | ast.ClassDef]:
    """Public functions and classes of a module, and the public methods of those classes."""
    for node in tree.body:
        if isinstance(node, Function | ast.ClassDef) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef):
                yield from public_definitions(node)


def comment_count(path: Path) -> int:
    with tokenize.open(path) as file:
        return sum(t.type == tokenize.COMMENT for t in tokenize.generate_tokens(file.readline))


def structure(source: Source) -> Iterator[Row]:
    """Import cycles, upward imports and imports inside functions."""
    upward = sum(
        floor(name) >= floor(module) and top(name) != top(module)
        for module in source.paths
        for name in source.imported(module)
    )
    late = sum(
        isinstance(inner, ast.Import | ast.ImportFrom)
        for door in DOORS
        for function in ast.walk(source.trees[door])
        if isinstance(function, Function)
        for inner in ast.walk(function)
    )
    yield "import cycles; imports upward", "0; 0", f"{cycles(source)}; {upward}", "0; 0"
    yield "function-level imports in the entry points", "132", str(late), "<= 10"


def cycles(source: Source) -> int:
    """1 if any modules import each other in a circle, else 0."""
    try:
        TopologicalSorter({name: source.imported(name) for name in source.paths}).prepare()
    except CycleError:
        return 1
    return 0


def checks(root: Path) -> Iterator[Row]:
    """The number of mypy and ruff findings."""
    packages = [name for name in FLOORS if (root / name).is_dir()]
    typed = last_count(root, "mypy", [*packages, *(f"{door}.py" for door in DOORS)])
    yield "mypy errors, default mode", "243", typed, "0"
    yield "ruff errors", "", last_count(root, "ruff", ["check", "."]), "0"


def last_count(root: Path, tool: str, arguments: list[str]) -> str:
    """The number in "Found N errors" that a tool ends with; 0 if it is content."""
    if importlib.util.find_spec(tool) is None:
        return f"{tool} is not installed"
    done = subprocess.run(
        [sys.executable, "-m", tool, *arguments], cwd=root, capture_output=True, text=True
    )
    found = re.search(r"Found (\d+) errors?", done.stdout)
    if found:
        return found[1]
    return "0" if done.returncode == 0 else f"{tool} failed: {done.stderr.strip()[:200]}"


def entries(root: Path) -> Iterator[Row]:
    """README words, entries at the root and requirements files, as git tracks them."""
    listed = subprocess.run(
        ["git", "ls-files"], cwd=root, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    names = {name.partition("/")[0] for name in listed if not name.startswith(".")}
    words = len((root / "README.md").read_text(encoding="utf-8").split())
    requirements = sum(re.fullmatch(r"requirements.*\.txt", name) is not None for name in names)
    yield "README words", "5,520", f"{words:,}", "<= 1,300"
    here = f"{len(names)}; {requirements}"
    yield "entries at the root; requirements files", "49; 12", here, "<= 30; 1"


if __name__ == "__main__":
    main()

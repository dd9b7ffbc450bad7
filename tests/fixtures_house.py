"""The project's own files as the laws about its structure see them: names, syntax trees,
imports.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
NOT_THE_PROJECT = {
    *("tests", "bench", "docs", "build", "cache", "assets", "deploy", "dist"),
    *("notebooks", "space"),
}
FLOORS = {
    "radd": 0,
    "stream": 1,
    "storage": 1,
    "training": 1,
    "evaluation": 2,
    "generative": 2,
    "fleet": 2,
    "console": 2,
    "notify": 2,
    "retraining": 2,
    "app": 3,
}
DOOR_FLOOR = 4
DOORS = {"detect", "train", "evaluate", "review", "serve"}


@cache
def modules() -> dict[str, Path]:
    """Every module of the project by its dotted name; a package goes by its own."""
    found = {}
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        if not (parts[0] in NOT_THE_PROJECT or any(part.startswith(".") for part in parts)):
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def tree(module: str) -> ast.Module:
    return ast.parse(source(module))


def source(module: str) -> str:
    return modules()[module].read_text(encoding="utf-8")


@cache
def imports(module: str) -> frozenset[str]:
    """The dotted names that a module imports anywhere, inside functions too; `from a import b`
    gives a and a.b.
    """
    names = set()
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, (
                f"{module} line {node.lineno}: a relative import; write the whole name"
            )
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(names)


def top(name: str) -> str:
    return name.partition(".")[0]


def floor(module: str) -> int:
    return FLOORS.get(top(module), DOOR_FLOOR)


def reached_from(*starts: str) -> set[str]:
    """These modules and every module of the project that they import, directly or not."""
    reached, ahead = set(), list(starts)
    while ahead:
        module = ahead.pop()
        if module in modules() and module not in reached:
            reached.add(module)
            ahead += imports(module)
    return reached

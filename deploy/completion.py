"""Write the completion of all commands for a shell: python deploy/completion.py bash|zsh [FOLDER]

Without FOLDER it goes where the shell looks for a user's completions.
"""

import argparse
import importlib
import os
import sys
from pathlib import Path

import shtab

ROOT = Path(__file__).parents[1]
COMMANDS = ("detect", "train", "evaluate", "review", "serve")
DATA = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share")
FOLDERS = {"bash": DATA / "bash-completion/completions", "zsh": DATA / "zsh/site-functions"}
FILE_NAMES = {"bash": "{}", "zsh": "_{}"}
PATHS = ("FILE", "DIR", "PATH", "CORPUS", "BUNDLE")


def main(shell: str, folder: str | None = None) -> None:
    sys.path.insert(0, str(ROOT))
    target = Path(folder) if folder else FOLDERS[shell]
    target.mkdir(parents=True, exist_ok=True)
    for name in COMMANDS:
        parser = importlib.import_module(f"app.options.{name}").parser()
        parser.prog = f"radd-{name}"
        complete_paths(parser)
        written = target / FILE_NAMES[shell].format(parser.prog)
        written.write_text(shtab.complete(parser, shell), encoding="utf-8")
    print(f"{target}: completion of {', '.join(f'radd-{name}' for name in COMMANDS)}")
    print("Open a new shell; . .venv/bin/activate makes the commands known.")
    if shell == "zsh":
        print(f"zsh needs: fpath+=({target}) before compinit in ~/.zshrc")


def complete_paths(parser: argparse.ArgumentParser) -> None:
    """Let options that take a file or directory complete paths, in all commands of the parser."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                complete_paths(command)
        elif action.nargs != 0 and any(word in str(action.metavar) for word in PATHS):
            action.complete = shtab.FILE  # type: ignore[attr-defined]


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3) or sys.argv[1] not in FOLDERS:
        sys.exit(__doc__)
    main(*sys.argv[1:])

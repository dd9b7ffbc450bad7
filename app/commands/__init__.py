"""What the commands of the entry points do, joined from the floors below."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from importlib import import_module


def command(name: str) -> Callable[[argparse.Namespace], None]:
    """The function of `module.function` in this package.

    Its module is imported only now, so that no command loads the libraries of another: PyTorch
    stays out of those that do not train.
    """
    module, _, function = name.partition(".")
    return getattr(import_module(f"{__name__}.{module}"), function)

"""The commands of the entry points, composed from the floors below."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from importlib import import_module


def command(name: str) -> Callable[[argparse.Namespace], None]:
    """The function `module.function` of this package.

    Its module is imported only now, so that no command loads the libraries of another: PyTorch is
    loaded only for training.
    """
    module, _, function = name.partition(".")
    return getattr(import_module(f"{__name__}.{module}"), function)

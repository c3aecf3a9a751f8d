"""The command line: a command parses, calls one function, prints, and returns a status."""

from twofold.cli.main import main

__all__ = ["main"]

"""The one table of engines by name. A further engine is a row here and a module: nothing else names them.

A row says where the engine is built, so that its libraries are imported only where it is used.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any, NamedTuple, final


class EngineRow(NamedTuple):
    """What other rooms ask about an engine before it is built."""

    built_by: str
    """`module:callable`. The callable takes a `Model`, an `Optimizer` and a `Training`, and gives an `Engine`."""
    title: str
    """Its name in sentences and figures."""
    library: str
    """The distribution that computes: its version belongs to a result, since another may change the last bits."""


ENGINES: dict[str, EngineRow] = {
    "numpy": EngineRow("twofold.numpy_engine:threaded_engine", "NumPy", "numpy"),
    "torch": EngineRow("twofold.torch_engine:TorchEngine", "PyTorch", "torch"),
}
"""The engines by the name that a recipe, an option and a run's files give them, in the order in which they are
shown."""


COMPARED = ("numpy", "torch")
"""The two that are proved equal and shown side by side: one to be read, one written by others."""


@final
class _Titles(Mapping[str, str]):
    """The table's titles, read when they are asked for."""

    def __getitem__(self, name: str) -> str:
        return ENGINES[name].title

    def __iter__(self) -> Iterator[str]:
        return iter(ENGINES)

    def __len__(self) -> int:
        return len(ENGINES)


TITLES: Mapping[str, str] = _Titles()
"""Each engine's name for people, by its name."""


def builder(name: str) -> Any:
    """The callable that builds an engine, imported now; see `EngineRow.built_by`. The name is one of the table."""
    module, _, attribute = ENGINES[name].built_by.partition(":")
    return getattr(import_module(module), attribute)


def libraries() -> tuple[str, ...]:
    """The distributions that the engines compute with, each named once."""
    return tuple(dict.fromkeys(row.library for row in ENGINES.values()))


def unknown_engine(name: object) -> str:
    """The sentence for a name that is not in the table: an engine is `numpy` or `torch`; got `jax`."""
    *others, last = (f"`{known}`" for known in ENGINES)
    return f"an engine is {', '.join(others)} or {last}; got `{name}`"

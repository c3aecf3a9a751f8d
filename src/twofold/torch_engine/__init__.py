"""The torch engine. The only room that imports torch."""

from twofold.torch_engine.engine import TorchEngine

__all__ = ["TorchEngine"]

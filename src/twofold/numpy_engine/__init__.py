"""The NumPy engine: mathematics that can be read line by line."""

from twofold.numpy_engine.engine import NumpyEngine, threaded_engine
from twofold.numpy_engine.losses import LOSSES, reported_loss

__all__ = ["LOSSES", "NumpyEngine", "reported_loss", "threaded_engine"]

"""The microscope: any number of a forward or backward pass as the sum of products that it is, in each engine."""

from twofold.probe.microscope.answers import answer

__all__ = ["answer"]

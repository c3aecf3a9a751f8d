"""The microscope: one number of a batch's way forward or back, as the sum of products that it is, in each engine."""

from twofold.probe.microscope.answers import answer

__all__ = ["answer"]

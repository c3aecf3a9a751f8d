"""Data: sources by name, splits, batches."""

from twofold.data.augmentation import Views, mirrored
from twofold.data.batches import Batches, Masks
from twofold.data.dataset import Dataset, Split
from twofold.data.sources import at_hand, load_data, random_data

__all__ = ["Batches", "Dataset", "Masks", "Split", "Views", "at_hand", "load_data", "mirrored", "random_data"]

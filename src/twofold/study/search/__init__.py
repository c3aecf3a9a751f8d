"""Searches: the points of a study proposed by Optuna, one after another, by what those before them reached."""

"""A trained network in use: predict, evaluate, load, weights in and out."""

"""Draw the README's picture from a run of the moons: python docs/pictures/make.py."""

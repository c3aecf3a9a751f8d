"""The page: watch both engines learn in a browser, stop, step, look into the numbers, and keep the recipe."""

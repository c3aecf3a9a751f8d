"""The code that runs in the process of a user's code: it loads the file, calls the object, and gives arrays back.

Nothing here knows what is right: it gets inputs and the shapes of what is expected, and gives tensors by name.
"""

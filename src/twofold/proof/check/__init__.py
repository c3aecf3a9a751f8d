"""The check of a user's own code: whether it is right, and by name what is wrong with it.

Nothing is imported here: the process of the user's code imports `inside` alone.
"""

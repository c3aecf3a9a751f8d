"""The check of a user's own code: whether it is right, and if not, which known mistake it makes.

Nothing is imported here: the process of the user's code imports `inside` alone.
"""

"""Columns of a table as a user has it: what they hold, which kind each is, and how they become numbers."""

"""Columns of tables as people have them: what they hold, which kind they are, and how they become numbers."""

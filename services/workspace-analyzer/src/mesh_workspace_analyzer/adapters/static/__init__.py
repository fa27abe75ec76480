"""Reads workspaces from their files alone: no code of theirs runs, and no program but git does."""

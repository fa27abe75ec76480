"""Use cases: one method per thing that a caller can ask for."""

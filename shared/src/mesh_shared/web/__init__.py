"""The HTTP contract that every service shares."""

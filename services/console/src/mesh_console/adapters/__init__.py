"""The way to the five services."""

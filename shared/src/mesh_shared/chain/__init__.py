"""The one way to the chain: typed calls, and a sender that survives anything between two lines."""

from pathlib import Path

versions_dir = Path(__file__).parent / "versions"
"""Migrations of the transaction journal, for services that write to the chain."""

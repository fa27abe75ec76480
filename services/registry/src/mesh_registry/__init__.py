"""Agents on the chain, their metadata and their discovery."""

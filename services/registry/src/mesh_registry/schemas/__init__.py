"""The registry's public wire models."""

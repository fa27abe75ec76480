"""The gateway's public wire models."""

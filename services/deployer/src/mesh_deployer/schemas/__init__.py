"""The deployer's public wire models."""

"""The public wire models: what is asked for, and what is told."""

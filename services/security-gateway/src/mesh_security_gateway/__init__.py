"""Credentials that agents use and never see."""

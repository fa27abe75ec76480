"""Akash through the Console's REST API: somebody else signs, and the security gateway holds the key."""

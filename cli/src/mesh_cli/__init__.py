"""Runs, demonstrates and examines the mesh. Knows every service's address and no service's insides."""

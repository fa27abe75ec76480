"""Runs, demonstrates and examines the mesh from a shell. Knows every service's address and no service's insides."""

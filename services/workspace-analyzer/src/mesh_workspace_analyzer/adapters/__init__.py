"""The foreign systems: folders, git, Nx."""

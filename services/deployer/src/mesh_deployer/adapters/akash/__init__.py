"""A chain that speaks Akash: bytes, signatures, queries, providers, and the market that they are."""

"""The one way to the chain: typed calls, and a transaction sender that survives anything between two lines."""

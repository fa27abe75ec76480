"""Tables and every query. Repositories take part in a transaction and never commit."""

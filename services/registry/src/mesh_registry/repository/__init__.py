"""Tables and every query. Nothing here begins or ends a transaction."""

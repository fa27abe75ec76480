"""One database per service: SQLite by default, PostgreSQL by one setting."""

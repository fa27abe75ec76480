"""Plans, durable runs, and escrowed payment by verified quality."""

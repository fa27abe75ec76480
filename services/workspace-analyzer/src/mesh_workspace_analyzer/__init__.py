"""What a change in a monorepo affects and what it costs."""

"""Facts: recorded with the change that made them true, published after commit, re-readable for ever after."""

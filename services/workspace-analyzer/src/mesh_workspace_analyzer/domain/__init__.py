"""Pure rules: what a change affects, what it may cost, what could be better. No I/O, no clock."""

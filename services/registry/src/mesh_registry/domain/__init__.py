"""What an agent is, what is said of it and how it ranks. Pure: no I/O, no clock."""

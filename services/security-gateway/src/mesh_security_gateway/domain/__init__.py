"""The gateway's rules. Pure: no clock, no chance, no network, no database."""

"""The rules of planning, judging and paying. Pure: no clock, no network, no database."""

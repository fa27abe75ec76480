"""Turns a task into a plan, a plan into paid steps, and results into verdicts.

Knows requirements, plans, runs, escrows, quality verdicts and budgets; never knows how a tool does its work,
or a credential of anybody's: the gateway has those.
"""

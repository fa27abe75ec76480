"""Mechanism that every service uses: HTTP contract, identity, events, database, chain, content.

Knows no business noun.
"""

"""The registry: agents on the chain, what they say of themselves, what others say of them, and their rank.

It knows agents, capabilities, stake, reputation, the index of the chain and the content store. It never knows
what an agent was hired for, what it delivered, any credential, or anybody's signing key but its own.
"""

"""Says what a change in a monorepo affects and what it costs.

Knows workspaces, project graphs and builds; never knows the chain, money that is owed, or a credential: the
secrets in a workspace are not even copied.
"""

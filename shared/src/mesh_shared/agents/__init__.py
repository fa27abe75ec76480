"""The agent pattern: a service offers named actions that a person, a plan or another agent can invoke."""

"""What there is to look at."""

PANELS = {
    "/": "Overview",
    "/agents": "Agents",
    "/runs": "Runs",
    "/approvals": "Approvals",
    "/events": "Live events",
    "/deployments": "Deployments",
    "/gateway": "Gateway",
    "/workspace": "Workspace",
    "/docs": "API",
}
"""Where each panel is and what it is called, in the order of the navigation."""

"""One module per panel: parse, ask the services, shape the page."""

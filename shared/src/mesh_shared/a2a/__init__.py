"""A2A 1.0 (a2a-protocol.org): agents of any make talk to ours, over JSON-RPC or HTTP+JSON. See docs/adr."""

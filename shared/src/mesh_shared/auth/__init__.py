"""Who is calling, and what it may do. Tokens are issued by the security gateway and verified by everyone."""

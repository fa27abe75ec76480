"""What pages are made of, worked out without asking anybody."""

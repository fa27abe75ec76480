"""Commands that talk to a running mesh through its public interface, as everybody may."""

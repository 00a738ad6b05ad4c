"""Every way a write's outcome can be unclear, at every provider, and how it must end."""

"""The conformance kit: what every provider's adapter promises, shown over real HTTP."""

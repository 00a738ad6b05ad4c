"""Facts to lines: pure functions that give what a command prints."""

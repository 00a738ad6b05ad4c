"""One package per remote product; they do not know one another, and only the registry knows them."""

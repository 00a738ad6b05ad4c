"""One package per remote product; they do not know one another, only the registry knows them."""

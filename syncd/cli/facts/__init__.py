"""What commands show, read out of settings and store as values; nothing here prints or writes."""

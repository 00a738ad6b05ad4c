"""Delivery with the real store, a provider in memory and a clock turned by hand."""

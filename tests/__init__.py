"""Tests of syncd; the folders mirror the package."""

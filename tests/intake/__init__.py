"""Tests of intake, alone and together with delivery."""

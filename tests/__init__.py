"""Tests; their folders mirror the rooms of `adapt`."""

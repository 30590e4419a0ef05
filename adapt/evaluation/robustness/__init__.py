"""Accuracy under shift and by group, beside what is usual elsewhere: arrays in, numbers out."""

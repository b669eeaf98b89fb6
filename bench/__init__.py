"""Benchmarks: `make bench NAME=install`. Each prints a table and, last, one line of JSON."""

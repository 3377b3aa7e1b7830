"""Measurements that only studies take."""

"""Complaints as the Consumer Financial Protection Bureau publishes them."""

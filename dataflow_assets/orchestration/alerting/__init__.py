"""Alerts of failed runs and checks, and the channels that carry them."""

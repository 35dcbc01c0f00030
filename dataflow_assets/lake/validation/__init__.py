"""Texts to typed values, and rows to good ones and rejects."""

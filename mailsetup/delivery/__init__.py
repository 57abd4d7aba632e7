"""Hands messages over: chooses the profile, composes, sends, and says what happened."""

"""Scans: verdicts for whole archives, part by part, so that a killed run goes on where it stopped."""

"""Triage centres take each other's calls; staff report capacity in one tap; the region knows."""

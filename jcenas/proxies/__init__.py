"""Cheap estimates of a candidate's quality."""

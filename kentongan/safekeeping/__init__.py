"""Keeping an installation through the loss of its machine: backups, their restoring, and the escrow of its keys."""

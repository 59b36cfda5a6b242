"""The resident service: it sends, shows in Prefect, takes receipts, and answers officers on this machine."""

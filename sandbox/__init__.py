"""Stand-ins for providers, on loopback only: nobody is warned through them.

They keep the rules that the providers document, refuse what those refuse, fail on demand, and count what they took.
They share no code with the adapters, so that the two cannot agree on the same mistake.
"""

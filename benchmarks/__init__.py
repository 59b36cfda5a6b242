"""What Kentongan costs and how fast it is; README.md beside this file says how to read it."""

"""What an alert says: hazards, their templates, layouts per channel, and the rules by which texts are counted."""

"""Areas and regions: which of the regions that an agency has loaded an alert's area takes in. Pure."""

"""What a site can report: the categories of each sector and how a value ages. Pure."""

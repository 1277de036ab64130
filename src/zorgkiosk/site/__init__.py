"""What happens in the building: the site's config, its stores, and the three units telephony, panel and sync."""

"""The example site with each engine for mail in the background, as a site starts it."""

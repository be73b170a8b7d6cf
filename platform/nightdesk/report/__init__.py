"""The morning report: one night as one page that needs nothing but itself."""

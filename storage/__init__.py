"""The database and everything around it: spool, delivery, tables, queries, labels, overlays."""

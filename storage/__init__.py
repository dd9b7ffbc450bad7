"""The database and what waits for it: spool, delivery, tables, queries, labels, overlays."""

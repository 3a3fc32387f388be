"""The audit log: append-only rows, each bound by a keyed digest, chained by a sealing step that follows."""

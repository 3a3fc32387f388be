"""Where HTTP ends: declared endpoints, the tolerant body, the gate, problem documents, paging, OpenAPI."""

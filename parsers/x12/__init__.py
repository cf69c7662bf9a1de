"""X12: interchanges, segments, hierarchy, structure checks and acknowledgements, sans-IO over bytes."""

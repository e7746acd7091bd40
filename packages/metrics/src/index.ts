// Entry of @dragoman/metrics.

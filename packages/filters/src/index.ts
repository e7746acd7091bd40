// Entry of @dragoman/filters.

// Entry of @dragoman/config.

// Entry of @dragoman/proxy.

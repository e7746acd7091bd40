// Entry of @dragoman/pool.

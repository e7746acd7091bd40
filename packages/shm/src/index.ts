// Entry of @dragoman/shm.

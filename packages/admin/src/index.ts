// Entry of @dragoman/admin.

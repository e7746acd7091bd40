// Entry of @dragoman/testkit.

// Entry of @dragoman/http.

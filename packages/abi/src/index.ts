// Entry of @dragoman/abi.

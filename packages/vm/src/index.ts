// Entry of @dragoman/vm.

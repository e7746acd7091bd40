// A worker program that cannot start.

throw new Error('no such plugin');

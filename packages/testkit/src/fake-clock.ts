// Time that stands still until a test moves it: a Clock whose timers fire while `advance` runs, in order and each at its
// own time.

import type { Clock } from '@dragoman/base';

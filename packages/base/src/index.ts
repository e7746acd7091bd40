// Entry of @dragoman/base: errors, clock, timers, logger interface.
export { type Clock, systemClock } from './clock.ts';
export { assert, DragomanError } from './errors.ts';
export { LOG_COMPONENTS } from './log-components.ts';
export { LOG_LEVELS, type Logger, type LogLevel, silentLogger } from './logger.ts';
export { Timer, Timers } from './timers.ts';

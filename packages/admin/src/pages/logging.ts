// /logging: levels of the loggers, all, one, several or a group; and /reopen_logs.

import { LOG_LEVELS, type LogLevel } from '@dragoman/base';
import type { AdminContext, LoggerRegistry } from '../context.ts';
import type { Query } from '../query.ts';
import { type AdminReply, type AdminRequest, ok, text } from '../reply.ts';

const USAGE =
  'usage: /logging?<name>=<level> (change single level)\n' +
  'usage: /logging?paths=name1:level1,name2:level2,... (change multiple levels)\n' +
  'usage: /logging?level=<level> (change all levels)\n' +
  'usage: /logging?group=<group_name>:<level> (change group of loggers)\n' +
  `levels: ${LOG_LEVELS.map(level => `${level} `).join('')}\n`;

export function loggingPage({ loggers }: AdminContext, { query }: AdminRequest): AdminReply {
  const list = () =>
    `active loggers:\n${loggers.names.map(name => `  ${name}: ${loggers.level(name)}\n`).join('')}\n`;
  const error = changeLevels(loggers, query);
  return error === null ? text(list()) : text(`error: ${error}\n\n${USAGE}${list()}`, 400);
}

export function reopenLogsPage({ actions }: AdminContext): AdminReply {
  actions.reopenLogs();
  return ok();
}

const isLevel = (value: string): value is LogLevel => (LOG_LEVELS as readonly string[]).includes(value);

/** Changes what the query asks for, all or nothing; the reason when it cannot. */
function changeLevels(loggers: LoggerRegistry, query: Query): string | null {
  // The form on the home page sends the fields that were left empty, too.
  const pairs = query.pairs.filter(
    ([name, value]) => value !== '' || !['level', 'paths', 'group'].includes(name),
  );
  if (pairs.length === 0) return null;
  if (pairs.length > 1) return 'invalid number of parameters';
  const [[key, value]] = pairs;
  if (key === 'level') {
    if (!isLevel(value)) return 'unknown logger level';
    for (const name of loggers.names) loggers.setLevel(name, value);
    return null;
  }
  const wanted =
    key === 'paths' || key === 'group'
      ? value.split(',').filter(part => part.trim() !== '')
      : [`${key}:${value}`];
  const changes: [string, LogLevel][] = [];
  for (const part of wanted) {
    const colon = part.indexOf(':');
    const name = colon < 0 ? part : part.slice(0, colon);
    const level = colon < 0 ? '' : part.slice(colon + 1);
    if (key === 'paths' && (name === '' || level === '')) return 'empty logger name or empty logger level';
    if (!isLevel(level)) return 'unknown logger level';
    changes.push([name, level]);
  }
  if (!changes.every(([name]) => loggers.names.includes(name))) return 'unknown logger name';
  for (const [name, level] of changes) loggers.setLevel(name, level);
  return null;
}

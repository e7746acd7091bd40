// JSON formats (json_format): a structure whose strings are format strings. A string that is one operator alone
// keeps the operator's type; keys are written in sorted order, on one line.

import type { JsonObject, JsonValue } from '@dragoman/config';
import { byteString, type FormatInput, type FormatValue, valueText } from './format-input.ts';
import { compileFormat, type Formatter } from './formatter.ts';

/** Appends the JSON text of a node; false when omit_empty_values leaves it out. */
type WriteNode = (input: FormatInput, logType: string) => string | null;

/** Bytes stand for characters here: JSON.stringify must not touch those above 0x7f, and it does not. */
function jsonText(value: FormatValue): string {
  return typeof value === 'object' ? (valueText(value) ?? 'null') : JSON.stringify(value);
}

function leaf(formatter: Formatter, omitEmpty: boolean): WriteNode {
  if (formatter.constant !== null) {
    const text = JSON.stringify(formatter.constant);
    return () => text;
  }
  return (input, logType) => {
    const value = formatter.value(input, logType);
    if (omitEmpty && value === null) return null;
    return jsonText(value);
  };
}

function compileNode(node: JsonValue, omitEmpty: boolean): WriteNode {
  if (typeof node === 'string') return leaf(compileFormat(node, { omitEmpty }), omitEmpty);
  if (Array.isArray(node)) {
    const items = node.map(item => compileNode(item, omitEmpty));
    return (input, logType) => `[${items.map(write => write(input, logType) ?? 'null').join(',')}]`;
  }
  if (node !== null && typeof node === 'object') return compileObject(node, omitEmpty);
  const text = JSON.stringify(node);
  return () => text;
}

function compileObject(node: JsonObject, omitEmpty: boolean): WriteNode {
  const members = Object.keys(node)
    .sort()
    .map(key => ({ key: `${byteString(JSON.stringify(key))}:`, write: compileNode(node[key], omitEmpty) }));
  return (input, logType) => {
    let out = '{';
    for (const { key, write } of members) {
      const text = write(input, logType);
      if (text !== null) out += out === '{' ? key + text : `,${key}${text}`;
    }
    return `${out}}`;
  };
}

/** A compiled JSON format; the text ends with a newline, as every JSON log line does. */
export class JsonFormatter {
  readonly #write: WriteNode;

  constructor(format: JsonObject, omitEmpty: boolean) {
    this.#write = compileObject(format, omitEmpty);
  }

  format(input: FormatInput, logType = 'NotSet'): string {
    return `${this.#write(input, logType)}\n`;
  }
}

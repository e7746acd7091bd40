// Holds docs/ERRORS.md against the code: every ERR_DRAGOMAN_ code that can be thrown is explained, and nothing
// else is.

import type { Finding, SourceFile } from './source-tree.ts';
import { isTest, lineAt } from './source-tree.ts';

const DOCUMENT = 'docs/ERRORS.md';
const THROWN = /\bnew \w*(?:DragomanError|Error)\(\s*'([A-Z][A-Z0-9_]+)'|\bsuper\(\s*'([A-Z][A-Z0-9_]+)'/g;
const DOCUMENTED = /`ERR_DRAGOMAN_([A-Z0-9_]+)`/g;

export function checkErrorCodes(files: readonly SourceFile[], documentText: string): Finding[] {
  const findings: Finding[] = [];
  const documented = new Set([...documentText.matchAll(DOCUMENTED)].map(match => match[1]!));
  const used = new Set<string>();
  for (const { path, text } of files) {
    if (isTest(path) || path.startsWith('tools/')) continue;
    for (const match of text.matchAll(THROWN)) {
      const code = (match[1] ?? match[2])!;
      used.add(code);
      if (!documented.has(code)) {
        const message = `ERR_DRAGOMAN_${code} is not explained in ${DOCUMENT}`;
        findings.push({ path, line: lineAt(text, match.index), message });
      }
    }
  }
  for (const code of documented)
    if (!used.has(code))
      findings.push({ path: DOCUMENT, line: 0, message: `ERR_DRAGOMAN_${code} is thrown nowhere` });
  return findings;
}

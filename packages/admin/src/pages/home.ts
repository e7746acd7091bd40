// The home page: every endpoint as a link, or as a form where it changes something or takes parameters.

import type { Endpoint, Parameter } from '../endpoints.ts';
import { type AdminReply, HTML } from '../reply.ts';

export const escapeHtml = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');

const STYLE =
  'body{font-family:sans-serif;margin:1em}table{border-collapse:collapse;width:100%}' +
  'td{padding:.3em .6em;vertical-align:top}tr.vert-space{border-top:1px solid #ccc}td.param{color:#555;font-size:90%}';

export const htmlPage = (title: string, body: string): string =>
  `<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>Envoy Admin: ${escapeHtml(title)}</title>\n` +
  `<style>${STYLE}</style>\n</head>\n<body>\n${body}\n</body>\n</html>\n`;

function input({ id, kind, choices }: Parameter, form: string): string {
  const attributes = `name="${escapeHtml(id)}" form="${form}"`;
  if (kind === 'boolean') return `<input type="checkbox" ${attributes}>`;
  if (kind === 'string') return `<input type="text" ${attributes}>`;
  const options = choices.map(
    choice => `<option value="${escapeHtml(choice)}">${escapeHtml(choice)}</option>`,
  );
  return `<select ${attributes}>${options.join('')}</select>`;
}

function rows({ path, help, mutates, parameters }: Endpoint, index: number): string {
  const form = `form${index}`;
  const action = escapeHtml(path.slice(1));
  const command =
    mutates || parameters.length > 0
      ? `<form action="${action}" method="${mutates ? 'post' : 'get'}" id="${form}"><button>${action}</button></form>`
      : `<a href="${action || '/'}">${action || '/'}</a>`;
  const first = `<tr class="vert-space"><td>${command}</td><td>${escapeHtml(help)}</td></tr>`;
  const rest = parameters.map(
    parameter =>
      `<tr><td class="param">${input(parameter, form)}</td><td class="param">${escapeHtml(parameter.help)}</td></tr>`,
  );
  return [first, ...rest].join('\n');
}

export function homePage(endpoints: readonly Endpoint[]): AdminReply {
  const table = `<table>\n${endpoints
    .filter(({ path }) => path !== '/')
    .map(rows)
    .join('\n')}\n</table>`;
  return { status: 200, contentType: HTML, body: htmlPage('home', table) };
}

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { reasonPhrase, statusLine, statusLineHttp10 } from './status.ts';

test("reason phrases are Envoy's list, 'Unknown' for the rest", () => {
  for (const status of [99, 102, 103, 299, 418, 451, 499, 600, 1000])
    assert.equal(reasonPhrase(status), 'Unknown');
  assert.equal(reasonPhrase(413), 'Payload Too Large');
  assert.equal(reasonPhrase(426), 'Upgrade Required');
  assert.equal(reasonPhrase(431), 'Request Header Fields Too Large');
  assert.equal(reasonPhrase(599), 'Last Unassigned Server Error Code');
});

test('status lines, ready-made or not', () => {
  assert.equal(statusLine(200), 'HTTP/1.1 200 OK\r\n');
  assert.equal(statusLine(599), 'HTTP/1.1 599 Last Unassigned Server Error Code\r\n');
  assert.equal(statusLine(1000), 'HTTP/1.1 1000 Unknown\r\n');
  assert.equal(statusLineHttp10(204), 'HTTP/1.0 204 No Content\r\n');
});

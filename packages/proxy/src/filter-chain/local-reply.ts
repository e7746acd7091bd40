// The form of a response made here: plain text with its length, or, for a gRPC request, a trailers-only response
// with the status mapped (Envoy: Utility::prepareLocalReply).

import { HeaderId, ResponseHeaders } from '@dragoman/http';
import { grpcStatusOfHttp } from '../format/grpc-status.ts';
import type { FormattedReply } from '../format/local-reply.ts';
import type { Stream } from './stream.ts';

export interface LocalReply {
  readonly headers: ResponseHeaders;
  readonly body: Buffer;
}

/** True for `application/grpc` and `application/grpc+...`. */
export function isGrpcContentType(value: string | undefined): boolean {
  return (
    value !== undefined && value.startsWith('application/grpc') && (value.length === 16 || value[16] === '+')
  );
}

export function makeLocalReply(
  stream: Stream,
  status: number,
  body: string | Buffer,
  extra: readonly [string, string][] | null,
  grpcStatus: number | undefined,
): LocalReply {
  const headers = new ResponseHeaders();
  headers.status = status;
  const request = stream.requestHeaders;
  const grpc = request !== null && isGrpcContentType(request.getId(HeaderId.CONTENT_TYPE));
  stream.info.localReplyBody = typeof body === 'string' ? body : body.toString('latin1');
  const route = stream.localReplyRoute;
  if (extra !== null) for (const [name, value] of extra) headers.add(name, value);
  if (stream.attemptCountHeader) headers.set('x-envoy-attempt-count', String(stream.info.attemptCount));
  if (route !== null) route.finalizeResponseHeaders(headers, stream);
  const formatted = stream.manager.formatLocalReply(stream, headers, stream.info.localReplyBody);
  const text = formatted?.body ?? body;
  if (grpc)
    return grpcReply(headers, grpcMessage(text, formatted), grpcStatus ?? grpcStatusOfHttp(headers.status));
  const bytes = typeof text === 'string' ? Buffer.from(text, 'utf8') : text;
  if (bytes.length > 0) {
    headers.set('content-length', String(bytes.length));
    if (!headers.has('content-type') || (formatted !== null && formatted.changed))
      headers.set('content-type', formatted?.contentType ?? 'text/plain');
  } else {
    headers.removeId(HeaderId.CONTENT_TYPE);
  }
  const head = request !== null && request.method === 'HEAD';
  return { headers, body: head ? Buffer.alloc(0) : bytes };
}

/** A JSON format ends with a newline, which has no place in a header. */
function grpcMessage(text: string | Buffer, formatted: FormattedReply | null): string {
  const message = typeof text === 'string' ? text : text.toString('latin1');
  const json = formatted?.contentType === 'application/json' && message.endsWith('\n');
  return json ? message.slice(0, -1) : message;
}

function grpcReply(headers: ResponseHeaders, message: string, grpcStatus: number): LocalReply {
  headers.status = 200;
  headers.set('content-type', 'application/grpc');
  headers.set('grpc-status', String(grpcStatus));
  if (message !== '') headers.set('grpc-message', percentEncode(message));
  return { headers, body: Buffer.alloc(0) };
}

/** grpc-message's own percent-encoding: everything outside printable ASCII, and '%'. */
function percentEncode(text: string): string {
  let out = '';
  for (const byte of Buffer.from(text, 'utf8'))
    out +=
      byte < 0x20 || byte > 0x7e || byte === 0x25
        ? `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
        : String.fromCharCode(byte);
  return out;
}

/** A filter has removed a header that no message can do without. */
export function answerMissingHeader(
  stream: Stream,
  status: number,
  name: string,
  message: 'request' | 'response',
): void {
  const text = `missing required header: ${name}`;
  const details = `filter_removed_required_${message}_headers{${text.replaceAll(' ', '_')}}`;
  stream.sendLocalReply(status, text, details);
}

// Just enough of the protobuf wire form for the small messages of foreign functions: length-delimited fields in, bytes
// and booleans out. Configuration is decoded elsewhere, with a real library.

/** The bytes are no protobuf message. */
export class ProtobufError extends Error {}

/** Length-delimited fields by number, the last one of each; varints come as their decimal text. */
export function readBytesFields(bytes: Buffer): Map<number, Buffer> {
  const fields = new Map<number, Buffer>();
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let shift = 1; ; shift *= 128) {
      if (at >= bytes.length || shift > 2 ** 63) throw new ProtobufError('bad varint');
      const byte = bytes[at++];
      value += (byte & 0x7f) * shift;
      if (byte < 0x80) return value;
    }
  };
  const take = (length: number): Buffer => {
    if (length > bytes.length - at) throw new ProtobufError('field runs past the end');
    at += length;
    return bytes.subarray(at - length, at);
  };
  while (at < bytes.length) {
    const tag = varint();
    const field = Math.floor(tag / 8);
    const wireType = tag & 7;
    if (field === 0) throw new ProtobufError('field number 0');
    if (wireType === 0) fields.set(field, Buffer.from(String(varint())));
    else if (wireType === 2) fields.set(field, take(varint()));
    else if (wireType === 1) take(8);
    else if (wireType === 5) take(4);
    else throw new ProtobufError(`wire type ${wireType}`);
  }
  return fields;
}

/** One field: bytes (also an encoded message), true, or an integer up to 2^53. */
export function writeField(field: number, value: Uint8Array | boolean | number): Buffer {
  if (value instanceof Uint8Array) {
    return Buffer.concat([encodeVarint(field * 8 + 2), encodeVarint(value.length), value]);
  }
  return Buffer.concat([encodeVarint(field * 8), encodeVarint(Number(value))]);
}

function encodeVarint(value: number): Buffer {
  const bytes: number[] = [];
  while (value >= 128) {
    bytes.push((value % 128) | 128);
    value = Math.floor(value / 128);
  }
  bytes.push(value);
  return Buffer.from(bytes);
}

import type { Bytes } from '../bytes/stream.ts';
import { SlipwayError } from '../errors.ts';
import type { Digest } from '../oci/digest.ts';

/** The next thing in an answer: the head of a message, of a field with bytes, or a number. */
interface Head {
  readonly kind: 'message' | 'bytes' | 'number';
  /** of the field; 0 for a message */
  readonly field: number;
  /** length of what follows, or the number */
  readonly value: number;
  /** of the head itself */
  readonly headBytes: number;
}

const FRAME_BYTES = 5;
const MAX_HEAD_BYTES = 20;
/** containerd sends a blob in pieces of 1 MiB; no other answer of it is that long. */
const MAX_MESSAGE_BYTES = 16 * 1024 * 1024;

/** Asks for the bytes of a blob from `offset` on (containerd, content.proto: ReadContentRequest). */
export function encodeRead(digest: Digest, offset: number): Uint8Array {
  const from = offset === 0 ? [] : [0x10, ...varint(offset)];
  return Buffer.concat([encodeInfo(digest), Buffer.from(from)]);
}

/** Asks what a blob is (content.proto: InfoRequest). */
export function encodeInfo(digest: Digest): Uint8Array {
  const text = Buffer.from(digest);
  return Buffer.concat([Buffer.from([0x0a, ...varint(text.byteLength)]), text]);
}

/**
 * The bytes in the answers to {@link encodeRead} (ReadContentResponse: offset, data).
 *
 * @throws SlipwayError `SERVER_ERROR` for what is no such answer
 */
export async function* decodeRead(answer: Bytes, name: string): Bytes {
  let rest: Uint8Array = new Uint8Array();
  let messageLeft = 0;
  let dataLeft = 0;
  let isData = false;
  for await (const chunk of answer) {
    let bytes = rest.byteLength === 0 ? chunk : Buffer.concat([rest, chunk]);
    rest = new Uint8Array();
    while (bytes.byteLength > 0) {
      if (dataLeft > 0) {
        const data = bytes.subarray(0, dataLeft);
        bytes = bytes.subarray(data.byteLength);
        dataLeft -= data.byteLength;
        if (isData) yield data;
        continue;
      }
      const head = messageLeft === 0 ? frameAt(bytes, name) : fieldAt(bytes, name);
      if (head === undefined) {
        rest = bytes;
        break;
      }
      bytes = bytes.subarray(head.headBytes);
      if (head.kind === 'message') {
        messageLeft = head.value;
        continue;
      }
      dataLeft = head.kind === 'bytes' ? head.value : 0;
      isData = head.field === 2;
      messageLeft -= head.headBytes + dataLeft;
      if (messageLeft < 0) throw notUnderstood(name);
    }
  }
  if (rest.byteLength + messageLeft + dataLeft > 0) throw notUnderstood(name);
}

/**
 * The size in the answer to {@link encodeInfo} (InfoResponse: info; Info: digest, size …).
 *
 * @throws SlipwayError `SERVER_ERROR`
 */
export function decodeInfoSize(answer: Uint8Array, name: string): number {
  const { headBytes, value } = frameAt(answer, name) ?? fail(name);
  for (const [field, info] of fieldsOf(answer.subarray(headBytes, headBytes + value), name)) {
    if (field !== 1 || typeof info === 'number') continue;
    for (const [inner, size] of fieldsOf(info, name)) {
      if (inner === 2 && typeof size === 'number') return size;
    }
    // What is 0 isn't written.
    return 0;
  }
  throw notUnderstood(name);
}

function* fieldsOf(bytes: Uint8Array, name: string): Iterable<[number, number | Uint8Array]> {
  for (let at = 0; at < bytes.byteLength; ) {
    const { kind, field, value, headBytes } = fieldAt(bytes.subarray(at), name) ?? fail(name);
    at += headBytes;
    if (kind === 'number') yield [field, value];
    else yield [field, bytes.subarray(at, at + value)];
    at += kind === 'number' ? 0 : value;
  }
}

function frameAt(bytes: Uint8Array, name: string): Head | undefined {
  if (bytes.byteLength < FRAME_BYTES) return undefined;
  const value = Buffer.from(bytes.buffer, bytes.byteOffset, FRAME_BYTES).readUInt32BE(1);
  // Nobody was told that compression is understood here.
  if (bytes[0] !== 0 || value > MAX_MESSAGE_BYTES) throw notUnderstood(name);
  return { kind: 'message', field: 0, value, headBytes: FRAME_BYTES };
}

/** The head of a field of a message (protobuf.dev, encoding), if all of it is there. */
function fieldAt(bytes: Uint8Array, name: string): Head | undefined {
  const tag = varintAt(bytes, 0);
  const kind = tag && FIELD_KINDS[tag.value % 8];
  if (tag !== undefined && kind === undefined) throw notUnderstood(name);
  const value = tag && varintAt(bytes, tag.end);
  if (kind === undefined || tag === undefined || value === undefined) {
    if (bytes.byteLength >= MAX_HEAD_BYTES) throw notUnderstood(name);
    return undefined;
  }
  return { kind, field: Math.floor(tag.value / 8), value: value.value, headBytes: value.end };
}

/** By wire type. Messages of content.proto have no others. */
const FIELD_KINDS: Readonly<Record<number, 'number' | 'bytes'>> = { 0: 'number', 2: 'bytes' };

function varintAt(bytes: Uint8Array, start: number): { value: number; end: number } | undefined {
  let value = 0;
  for (let at = start; at < bytes.byteLength && at < start + 10; at++) {
    const byte = bytes[at] ?? 0;
    value += (byte % 128) * 2 ** (7 * (at - start));
    if (byte < 128) return { value, end: at + 1 };
  }
  return undefined;
}

function varint(value: number): number[] {
  const bytes: number[] = [];
  for (; value > 127; value = Math.floor(value / 128)) bytes.push((value % 128) + 128);
  return [...bytes, value];
}

function fail(name: string): never {
  throw notUnderstood(name);
}

function notUnderstood(name: string): SlipwayError {
  return new SlipwayError('SERVER_ERROR', `${name} gives blobs in a form that isn't understood`, {
    hint: 'what stands between may have changed it; save the image into a file and push that',
  });
}

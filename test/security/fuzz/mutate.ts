import { RAW_END, rawFile, rawHeader, rawPax } from '../../bytes/tar-fixture.ts';
import type { Random } from './random.ts';

const CHARACTERS = [
  ...['\0', '\n', '\r\n', '\t', ' ', '"', "'", '\\', '/', '..', '../', '%2e%2e%2f', '%', '@', ':'],
  ...[
    ';',
    ',',
    '=',
    '<',
    '>',
    '[',
    ']',
    '{',
    '}',
    '(',
    ')',
    '*',
    '?',
    '#',
    '$',
    '-',
    '_',
    '\u001b[2J',
  ],
  ...[
    '\u202e',
    '\u0130',
    '\u017f',
    '\u{1f600}',
    '\ud800',
    '\ufeff',
    '0',
    '-1',
    '9'.repeat(20),
    '1e9',
  ],
  ...['sha256:', 'sha512:', '__proto__', 'null', 'next', 'rel=', 'bytes=', 'a', 'A', 'é', '::1'],
];

/** A text with some changes or none: characters and pieces cut, doubled, put in, or taken from another one. */
export function mutateText(random: Random, corpus: readonly string[]): string {
  let text = random.of(corpus);
  for (let changes = random.below(5); changes > 0; changes--) {
    const at = random.below(text.length + 1);
    const end = at + random.below(Math.min(12, text.length - at + 1));
    const [before, piece, after] = [text.slice(0, at), text.slice(at, end), text.slice(end)];
    switch (random.below(7)) {
      case 0:
        text = before + after;
        break;
      case 1:
        text = before + piece + piece + after;
        break;
      case 2:
        text = before + random.of(CHARACTERS) + after;
        break;
      case 3:
        text = before + random.of(CHARACTERS) + piece + after;
        break;
      case 4: {
        const other = random.of(corpus);
        text = before + other.slice(random.below(other.length + 1)) + after;
        break;
      }
      case 5: {
        // Long runs show what takes time with the square of the length.
        const run = piece === '' ? random.of(CHARACTERS) : piece;
        text = before + run.repeat(random.once(20) ? 5_000 : 1 + random.below(30)) + after;
        break;
      }
      default:
        text = before + String.fromCharCode(random.below(random.once(4) ? 0x10000 : 128)) + after;
    }
  }
  return text;
}

const VALUES: readonly unknown[] = [
  ...[null, true, false, 0, -0, -1, 1.5, 2 ** 31, 2 ** 53, 1e300, '', ' ', '..', '/', '\0', [], {}],
  ...[[[]], [null], { '': '' }, 'sha256:../../etc', `sha256:${'a'.repeat(64)}`, 'x'.repeat(5000)],
  ...['\u001b[2J', '\ud800', 'application/vnd.oci.image.index.v1+json', '2024-13-45T99:99:99Z'],
];

interface Place {
  readonly node: Record<string, unknown>;
  readonly key: string;
}

function placesOf(value: unknown, found: Place[] = []): readonly Place[] {
  if (typeof value !== 'object' || value === null) return found;
  const node = value as Record<string, unknown>;
  for (const key of Object.keys(node)) {
    found.push({ node, key });
    placesOf(node[key], found);
  }
  return found;
}

/** Gives an object a key of its own, whatever it is called. */
function give(node: object, key: string, given: unknown): void {
  const value = structuredClone(given);
  Object.defineProperty(node, key, { value, writable: true, enumerable: true, configurable: true });
}

function wrapped(value: unknown, levels: number): unknown {
  let all = value;
  for (let level = 0; level < levels; level++) all = level % 2 === 0 ? [all] : { a: all };
  return all;
}

/** A document with some fields changed, moved, doubled, renamed or taken from another document. */
export function mutateJson(random: Random, corpus: readonly object[]): Buffer {
  const document = { top: structuredClone(random.of(corpus)) as unknown };
  for (let changes = 1 + random.below(4); changes > 0; changes--) {
    const places = placesOf(document);
    const { node, key } = random.of(places);
    const other = random.of(placesOf(random.of(corpus)));
    const value = node[key];
    switch (random.below(8)) {
      case 0:
        node[key] = structuredClone(random.of(VALUES));
        break;
      case 1:
        if (node !== (document as object)) delete node[key];
        break;
      case 2:
        give(
          node,
          random.of([key.toUpperCase(), `${key} `, '__proto__', 'constructor', 'size']),
          value,
        );
        break;
      case 3:
        node[key] = wrapped(value, random.of([1, 2, 60, 70, 500]));
        break;
      case 4:
        node[key] = structuredClone(other.node[other.key]);
        break;
      case 5:
        if (Array.isArray(value)) for (let n = random.below(40); n > 0; n--) value.push(value[0]);
        break;
      case 6:
        if (typeof value === 'string') node[key] = mutateText(random, [value]);
        break;
      default: {
        const second = random.of(places);
        const kept = structuredClone(second.node[second.key]);
        if (second.node !== (document as object)) second.node[second.key] = structuredClone(value);
        node[key] = kept;
      }
    }
  }
  const text = JSON.stringify(document.top) ?? '';
  return random.once(4) ? Buffer.from(mutateText(random, [text])) : Buffer.from(text);
}

const NAMES = ['manifest.json', 'a/b', './a', '../x', '/x', 'a', '', 'a/', 'C:x', 'é', 'x\\y', '.'];
const KEYS = [
  'path',
  'linkpath',
  'size',
  'mtime',
  'uid',
  'SCHILY.xattr.a',
  'GNU.sparse.major',
  'x',
];

/** An archive of entries that are each likely, in an order and with fields that are not. */
export function makeTar(random: Random): Buffer {
  const parts: Buffer[] = [];
  for (let count = 1 + random.below(8); count > 0; count--) {
    const name = random.once(3) ? mutateText(random, NAMES) : random.of(NAMES);
    const data = Buffer.alloc(random.of([0, 1, 511, 512, 513, 2000]), 'd');
    const type = random.of([...'000001125xgLKS346\0']);
    const link = random.of(NAMES);
    switch (random.below(4)) {
      case 0: {
        const value = random.once(2) ? String(random.below(5000)) : mutateText(random, NAMES);
        parts.push(rawPax({ [random.of(KEYS)]: value }, random.of(['x', 'x', 'g'])));
        break;
      }
      case 1:
        parts.push(rawHeader({ name, type, link }));
        break;
      case 2: {
        const size = random.of([0, 1, data.byteLength, 2 ** 33 - 1]);
        parts.push(rawFile(name, data, { type, link, size }));
        break;
      }
      default:
        parts.push(rawFile(name, data, random.once(4) ? { type: random.of(['L', 'K']) } : {}));
    }
  }
  const tar = Buffer.concat([...parts, random.once(3) ? Buffer.alloc(512) : RAW_END]);
  return random.once(3) ? mutateBytes(random, tar) : tar;
}

/** An archive with bytes of one block changed, and now and then an end that is missing. */
export function mutateBytes(random: Random, bytes: Buffer): Buffer {
  const tar = Buffer.from(bytes);
  const block = 512 * random.below(tar.byteLength / 512);
  for (let count = 1 + random.below(3); count > 0; count--) {
    tar[block + random.below(512)] = random.below(256);
  }
  if (random.once(2)) mendChecksum(tar.subarray(block, block + 512));
  return random.once(5) ? tar.subarray(0, random.below(tar.byteLength)) : tar;
}

/** What is wrong with a header that has a right checksum is seen further in. */
function mendChecksum(block: Buffer): void {
  block.fill(0x20, 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
}

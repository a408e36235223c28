import { SlipwayError } from '../errors.ts';
import { brokenAt } from './json-position.ts';

/** Caps on documents that come from outside, in bytes and levels. */
export const DOCUMENT_LIMITS = {
  /** manifests, indexes, `index.json`, `manifest.json`: what registries accept at most */
  manifestBytes: 4 * 1024 * 1024,
  configBytes: 8 * 1024 * 1024,
  /** objects and arrays inside each other */
  depth: 64,
  /** indexes inside indexes */
  nestedIndexes: 8,
} as const;

/** A JSON object from outside. Read its keys, never merge it into another object. */
export type JsonObject = { readonly [key: string]: unknown };

/**
 * Parses a JSON document from outside: valid UTF-8, one object, no key twice, not nested deeper than
 * {@link DOCUMENT_LIMITS}, at most `maxBytes` long.
 *
 * @param what names the document in errors
 * @throws SlipwayError `CONTENT_INVALID`, `LIMIT_EXCEEDED`
 */
export function parseJsonObject(bytes: Uint8Array, what: string, maxBytes: number): JsonObject {
  const value = parseJson(bytes, what, maxBytes);
  if (!isJsonObject(value)) throw invalid(what, 'is not a JSON object');
  return value;
}

/** Like {@link parseJsonObject}, for a document that is an array. */
export function parseJsonArray(
  bytes: Uint8Array,
  what: string,
  maxBytes: number,
): readonly unknown[] {
  const value = parseJson(bytes, what, maxBytes);
  if (!Array.isArray(value)) throw invalid(what, 'is not a JSON array');
  return value;
}

/** True for an object that is neither null nor an array. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * A field that holds text; missing, null and empty are all undefined, as they are for Go's readers.
 *
 * @throws SlipwayError `CONTENT_INVALID` for anything else
 */
export function textField(object: JsonObject, key: string, what: string): string | undefined {
  const value = object[key] ?? '';
  if (typeof value !== 'string') throw invalid(what, `has a field "${key}" that is no string`);
  return value === '' ? undefined : value;
}

/**
 * Refuses keys that differ from a known one only in case: Go's decoder would take them for it,
 * so two readers would see two documents.
 */
export function refuseLookalikeKeys(
  object: JsonObject,
  known: readonly string[],
  what: string,
): void {
  const byFold = new Map(known.map((key) => [foldCase(key), key]));
  for (const key of Object.keys(object)) {
    const twin = byFold.get(foldCase(key));
    if (twin !== undefined && twin !== key) {
      throw invalid(what, `has a key that readers take for "${twin}" or not, by their case rules`);
    }
  }
}

/** Upper case first: Go also takes `\u017f` for an s and `\u212a` for a k. */
function foldCase(key: string): string {
  return key.toUpperCase().toLowerCase();
}

function parseJson(bytes: Uint8Array, what: string, maxBytes: number): unknown {
  if (bytes.byteLength > maxBytes) {
    throw new SlipwayError(
      'LIMIT_EXCEEDED',
      `${what} is ${bytes.byteLength} bytes long; at most ${maxBytes} are accepted`,
    );
  }
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw invalid(what, 'is not UTF-8 text');
  }
  checkStructure(text, what);
  try {
    return JSON.parse(text);
  } catch {
    // The parser's own message quotes the text, which may hold secrets or escape sequences.
    throw invalid(what, `is not valid JSON: see ${brokenAt(text)}`);
  }
}

/**
 * Refuses deep nesting before a recursive reader meets it, and keys that stand twice in one object:
 * some readers take the last of them, others merge both.
 */
function checkStructure(text: string, what: string): void {
  const open: (Set<string> | undefined)[] = [];
  let isKey = false;
  for (let index = 0; index < text.length; index++) {
    const character = text[index];
    if (character === '"') {
      const start = index;
      index = endOfString(text, start);
      const keys = open.at(-1);
      if (isKey && keys !== undefined) {
        const key = unquote(text.slice(start, index + 1));
        if (keys.has(key)) throw invalid(what, 'has a key twice in one object');
        keys.add(key);
      }
      isKey = false;
    } else if (character === '{' || character === '[') {
      open.push(character === '{' ? new Set() : undefined);
      isKey = character === '{';
      if (open.length > DOCUMENT_LIMITS.depth) {
        throw new SlipwayError(
          'LIMIT_EXCEEDED',
          `${what} is nested deeper than ${DOCUMENT_LIMITS.depth} levels`,
        );
      }
    } else if (character === '}' || character === ']') {
      open.pop();
      isKey = false;
    } else if (character === ',') isKey = true;
  }
}

function endOfString(text: string, start: number): number {
  let index = start + 1;
  while (index < text.length && text[index] !== '"') index += text[index] === '\\' ? 2 : 1;
  return index;
}

/** The value of a JSON string; a broken one as it is, for the parser to refuse. */
function unquote(literal: string): string {
  if (!literal.includes('\\')) return literal.slice(1, -1);
  try {
    return JSON.parse(literal);
  } catch {
    return literal;
  }
}

function invalid(what: string, problem: string): SlipwayError {
  return new SlipwayError('CONTENT_INVALID', `${what} ${problem}`);
}

import { SlipwayError } from '../errors.ts';

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
 * Parses a JSON document from outside: valid UTF-8, one object, not nested deeper than
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
 * Refuses keys that differ from a known one only in case: Go's decoder would take them for it,
 * so two readers would see two documents.
 */
export function refuseLookalikeKeys(
  object: JsonObject,
  known: readonly string[],
  what: string,
): void {
  const byLower = new Map(known.map((key) => [key.toLowerCase(), key]));
  for (const key of Object.keys(object)) {
    const twin = byLower.get(key.toLowerCase());
    if (twin !== undefined && twin !== key) {
      throw invalid(what, `has a key that readers take for "${twin}" or not, by their case rules`);
    }
  }
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
  checkDepth(text, what);
  try {
    return JSON.parse(text);
  } catch {
    // The parser's own message quotes the text, which may hold secrets or escape sequences.
    throw invalid(what, 'is not valid JSON');
  }
}

/** Counts brackets outside strings, so that no deep document reaches a recursive reader. */
function checkDepth(text: string, what: string): void {
  let depth = 0;
  let inString = false;
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (inString) {
      if (code === 0x5c) index++;
      else if (code === 0x22) inString = false;
    } else if (code === 0x22) inString = true;
    else if (code === 0x7b || code === 0x5b) {
      if (++depth > DOCUMENT_LIMITS.depth) {
        throw new SlipwayError(
          'LIMIT_EXCEEDED',
          `${what} is nested deeper than ${DOCUMENT_LIMITS.depth} levels`,
        );
      }
    } else if (code === 0x7d || code === 0x5d) depth--;
  }
}

function invalid(what: string, problem: string): SlipwayError {
  return new SlipwayError('CONTENT_INVALID', `${what} ${problem}`);
}

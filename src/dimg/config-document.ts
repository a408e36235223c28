import { type Document, LineCounter, parseAllDocuments } from 'yaml';
import { SlipwayError } from '../errors.ts';

/** Where a value stands in a document: keys and positions from its root. */
export type Place = readonly (string | number)[];

/** A document of a configuration file, as plain data that remembers its lines. */
export interface ConfigDocument {
  readonly json: unknown;
  readonly line: number;
  /** Says what is wrong with a value. */
  wrong(place: Place, message: string, hint?: string): SlipwayError;
}

const MAX_ALIASES = 100;

/**
 * The documents of a YAML file, without empty ones.
 *
 * @throws SlipwayError `CONFIG_INVALID` with file and line
 */
export function configDocuments(file: string, text: string): readonly ConfigDocument[] {
  const lines = new LineCounter();
  const parsed = parseAllDocuments(text, { lineCounter: lines, merge: true, logLevel: 'silent' });
  const documents: ConfigDocument[] = [];
  for (const document of Array.isArray(parsed) ? parsed : []) {
    const [error] = document.errors;
    if (error !== undefined) {
      const { line } = lines.linePos(error.pos[0]);
      const [message = ''] = error.message.split('\n');
      throw problem(file, line, message.replace(/ at line \d+, column \d+:?$/, ''));
    }
    if (document.contents === null) continue;
    const at = (offset: number) => lines.linePos(offset).line;
    documents.push({
      json: plain(document, file, at),
      line: lineOf(document, [], at),
      wrong: (place, message, hint) => problem(file, lineOf(document, place, at), message, hint),
    });
  }
  return documents;
}

function plain(document: Document, file: string, at: (offset: number) => number): unknown {
  try {
    return document.toJS({ maxAliasCount: MAX_ALIASES });
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    throw problem(file, lineOf(document, [], at), message);
  }
}

/** The line of a value, or of the nearest thing around it that the text has. */
function lineOf(document: Document, place: Place, at: (offset: number) => number): number {
  for (let depth = place.length; depth >= 0; depth--) {
    const node: unknown =
      depth === 0 ? document.contents : document.getIn(place.slice(0, depth), true);
    const range = (node as { readonly range?: readonly number[] } | null | undefined)?.range;
    if (range?.[0] !== undefined) return at(range[0]);
  }
  return 1;
}

function problem(file: string, line: number, message: string, hint?: string): SlipwayError {
  return new SlipwayError('CONFIG_INVALID', `${file}:${line}: ${message}`, {
    path: file,
    ...(hint === undefined ? {} : { hint }),
  });
}

import { printable } from '../../bytes/printable.ts';
import { SlipwayError } from '../../errors.ts';

/** The character that escapes; a directive at the top can make it a backtick. */
export type EscapeCharacter = '\\' | '`';

/** A place in a text, both counted from 1. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

/** What a Dockerfile is called, and where in it something stands. */
export interface Where extends Place {
  /** the file, for people */
  readonly file: string;
}

/**
 * Text that was put together from several lines, and where each of its characters stood.
 */
export interface JoinedText {
  readonly text: string;
  /** The place of a character; one past the end is where the text ends. */
  at(offset: number): Where;
}

/** A piece of a line, and where it began. */
export interface Segment {
  readonly text: string;
  readonly place: Place;
}

/** Joins pieces of lines. */
export function joinSegments(file: string, segments: readonly Segment[]): JoinedText {
  return {
    text: segments.map(({ text }) => text).join(''),
    at(offset) {
      let left = offset;
      for (const [number, { text, place }] of segments.entries()) {
        if (left < text.length || number === segments.length - 1) {
          return { file, line: place.line, column: place.column + left };
        }
        left -= text.length;
      }
      return { file, line: 1, column: 1 };
    },
  };
}

/** A part of a joined text, from `start` on. */
export function partOf(joined: JoinedText, start: number, end = joined.text.length): JoinedText {
  return {
    text: joined.text.slice(start, end),
    at: (offset) => joined.at(start + offset),
  };
}

/** The error for a Dockerfile that isn't one, with its line and column. */
export function syntaxError(where: Where, problem: string, hint?: string): SlipwayError {
  return new SlipwayError('CONFIG_INVALID', `${shownPlace(where)}: ${problem}`, {
    path: where.file,
    ...(hint === undefined ? {} : { hint }),
  });
}

/** The same failure with the place of the instruction that it is about, unless it tells one. */
export function located(error: unknown, where: Where): unknown {
  if (!(error instanceof SlipwayError)) return error;
  if (error.message.startsWith(`${printable(where.file)}:`)) return error;
  const message = `${shownPlace(where)}: ${error.message}`;
  return new SlipwayError(error.code, message, { ...error.facts, cause: error });
}

/** `FILE:LINE:COLUMN`, as editors understand it. */
export function shownPlace({ file, line, column }: Where): string {
  return `${printable(file)}:${line}:${column}`;
}

/** Text of the Dockerfile, quoted and safe to print. */
export function quoted(text: string): string {
  return JSON.stringify(printable(text, 120));
}

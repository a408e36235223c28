import { SlipwayError } from '../../errors.ts';

/** A part of a template: text between actions, or the words of an action. */
export type Piece =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'action'; readonly words: readonly Word[]; readonly line: number };

/** A word of an action. */
export type Word =
  | { readonly kind: 'string'; readonly value: string }
  | { readonly kind: 'number'; readonly value: number }
  /** `.A.B`, `$x.A`, or a bare `.` or `$` */
  | {
      readonly kind: 'path';
      readonly variable: string | undefined;
      readonly fields: readonly string[];
    }
  | { readonly kind: 'name'; readonly value: string }
  | { readonly kind: 'sign'; readonly value: '(' | ')' | '|' | ':=' | '=' | ',' };

const WORD =
  /\s*(?:("(?:[^"\\\n]|\\.)*")|`([^`]*)`|(-?[0-9]+(?:\.[0-9]+)?)(?![\w.])|(\$\w*)((?:\.\w+)*)|(\.(?:\w+(?:\.\w+)*)?)|(\w+(?:\.\w+)*)|(:=|[()|=,]))/y;

/** Says what is wrong with a template, and where. */
export function templateProblem(file: string, line: number, message: string): SlipwayError {
  return new SlipwayError('CONFIG_INVALID', `${file}:${line}: ${message}`, { path: file });
}

/**
 * Takes a text of Go's text/template apart: `{{ … }}` with `{{-` and `-}}`, comments left out.
 *
 * @throws SlipwayError `CONFIG_INVALID` with file and line
 */
export function lexTemplate(file: string, text: string): readonly Piece[] {
  const pieces: Piece[] = [];
  let at = 0;
  let line = 1;
  let isTrimmed = false;
  const addText = (part: string, trimEnd: boolean): void => {
    const started = isTrimmed ? part.trimStart() : part;
    pieces.push({ kind: 'text', text: trimEnd ? started.trimEnd() : started });
    line += part.split('\n').length - 1;
  };
  for (;;) {
    const open = text.indexOf('{{', at);
    if (open < 0) {
      addText(text.slice(at), false);
      return pieces;
    }
    const trimsBefore = /^\{\{-\s/.test(text.slice(open, open + 4));
    addText(text.slice(at, open), trimsBefore);
    const start = open + (trimsBefore ? 3 : 2);
    const comment = /^\s*\/\*[\s\S]*?\*\/\s*-?\}\}/.exec(text.slice(start));
    const end = comment === null ? endOfAction(text, start) : start + comment[0].length - 2;
    if (end < 0) throw templateProblem(file, line, 'an action {{ has no end }}');
    isTrimmed = /\s-$/.test(text.slice(start, end));
    const body = text.slice(start, isTrimmed ? end - 1 : end);
    if (comment === null) {
      pieces.push({ kind: 'action', words: wordsOf(file, line, body), line });
    }
    line += body.split('\n').length - 1;
    at = end + 2;
  }
}

/** Where an action ends: a `}}` in a string is none. */
function endOfAction(text: string, start: number): number {
  const part = /(?:[^"`}]|"(?:[^"\\\n]|\\.)*"|`[^`]*`|\}(?!\}))*/y;
  part.lastIndex = start;
  part.exec(text);
  return text.startsWith('}}', part.lastIndex) ? part.lastIndex : -1;
}

function wordsOf(file: string, line: number, body: string): readonly Word[] {
  const words: Word[] = [];
  const rest = body.trimEnd();
  for (WORD.lastIndex = 0; WORD.lastIndex < rest.length; ) {
    const from = WORD.lastIndex;
    const match = WORD.exec(rest);
    if (match === null) {
      const shown = JSON.stringify(rest.slice(from, from + 30).trim());
      throw templateProblem(file, line, `${shown} is not understood in an action`);
    }
    words.push(wordOf(match, file, line));
  }
  return words;
}

function wordOf(match: RegExpExecArray, file: string, line: number): Word {
  const [, quoted, raw, number, variable, fields = '', path, name, sign] = match;
  if (quoted !== undefined) {
    try {
      return { kind: 'string', value: JSON.parse(quoted) as string };
    } catch {
      throw templateProblem(file, line, `${quoted} is not understood as a text`);
    }
  }
  if (raw !== undefined) return { kind: 'string', value: raw };
  if (number !== undefined) return { kind: 'number', value: Number(number) };
  const named = (text: string) => text.split('.').filter((each) => each !== '');
  if (variable !== undefined) return { kind: 'path', variable, fields: named(fields) };
  if (path !== undefined) return { kind: 'path', variable: undefined, fields: named(path) };
  if (name !== undefined) return { kind: 'name', value: name };
  return { kind: 'sign', value: sign as '(' };
}

import { type Heredoc, heredocsOf } from './heredoc.ts';
import {
  type EscapeCharacter,
  type JoinedText,
  joinSegments,
  type Place,
  type Segment,
  syntaxError,
} from './text.ts';

/** An instruction as it was written: its lines joined, without comments, with its heredocs. */
export interface InstructionText {
  readonly joined: JoinedText;
  readonly place: Place;
  readonly heredocs: readonly Heredoc[];
}

/** A Dockerfile cut into instructions. */
export interface DockerfileLines {
  readonly escapeWith: EscapeCharacter;
  /** what `# syntax=` names */
  readonly syntax?: string;
  readonly instructions: readonly InstructionText[];
}

const DIRECTIVE = /^#\s*([A-Za-z][A-Za-z0-9]*)\s*=\s*(.+?)\s*$/;
const DIRECTIVES = new Set(['escape', 'syntax', 'check']);

/**
 * Cuts a Dockerfile into instructions: parser directives, comments, continued lines and heredocs as
 * BuildKit reads them (docs.docker.com/reference/dockerfile, "Format").
 *
 * @throws SlipwayError `CONFIG_INVALID`
 */
export function splitLines(file: string, text: string): DockerfileLines {
  const lines = text.replace(/^\ufeff/, '').split(/\r?\n/);
  const { escapeWith, syntax, count } = readDirectives(file, lines);
  const continued = new RegExp(
    escapeWith === '\\' ? '(^|[^\\\\])\\\\[ \\t]*$' : '(^|[^`])`[ \\t]*$',
  );
  const instructions: InstructionText[] = [];
  for (let at = count; at < lines.length; ) {
    const first = lines[at] ?? '';
    if (isBlankOrComment(first)) {
      at++;
      continue;
    }
    const indent = first.length - first.trimStart().length;
    const place = { line: at + 1, column: indent + 1 };
    const segments: Segment[] = [];
    for (let column = place.column; at < lines.length; column = 1) {
      const line = (lines[at] ?? '').slice(column - 1);
      const isFirst = segments.length === 0;
      at++;
      if (!isFirst && isBlankOrComment(line)) continue;
      const isContinued = continued.test(line);
      segments.push({
        text: isContinued ? line.replace(continued, '$1') : line,
        place: { line: at, column },
      });
      if (!isContinued) break;
    }
    const joined = joinSegments(file, segments);
    const heredocs: Heredoc[] = [];
    for (const opened of heredocsOf(joined, escapeWith)) {
      const body: string[] = [];
      for (; ; at++) {
        if (at >= lines.length) throw syntaxError(opened.where, 'unterminated heredoc');
        const line = lines[at] ?? '';
        const kept = opened.stripTabs ? line.replace(/^\t+/, '') : line;
        if (kept === opened.name) break;
        body.push(`${kept}\n`);
      }
      at++;
      heredocs.push({ ...opened, content: body.join('') });
    }
    instructions.push({ joined, place, heredocs });
  }
  return { escapeWith, instructions, ...(syntax === undefined ? {} : { syntax }) };
}

function isBlankOrComment(line: string): boolean {
  return /^\s*(?:#|$)/.test(line);
}

function readDirectives(
  file: string,
  lines: readonly string[],
): { escapeWith: EscapeCharacter; syntax: string | undefined; count: number } {
  const found = new Map<string, string>();
  let count = 0;
  for (; count < lines.length; count++) {
    const [, name = '', value = ''] = DIRECTIVE.exec(lines[count] ?? '') ?? [];
    const key = name.toLowerCase();
    if (!DIRECTIVES.has(key)) break;
    const where = { file, line: count + 1, column: 1 };
    if (found.has(key)) throw syntaxError(where, `only one ${key} parser directive can be used`);
    if (key === 'escape' && value !== '\\' && value !== '`') {
      throw syntaxError(where, 'the escape directive takes \\ or `');
    }
    found.set(key, value);
  }
  return {
    escapeWith: (found.get('escape') ?? '\\') as EscapeCharacter,
    syntax: found.get('syntax'),
    count,
  };
}

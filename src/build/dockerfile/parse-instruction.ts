import { readFlags } from './flags.ts';
import type { CommandLine, FromInstruction, Instruction } from './instruction.ts';
import type { InstructionText } from './lines.ts';
import { nearest } from './nearest.ts';
import { parseCopy } from './parse-copy.ts';
import { parseHealthCheck } from './parse-healthcheck.ts';
import { type EscapeCharacter, type JoinedText, partOf, quoted, syntaxError } from './text.ts';
import { type Flag, jsonList, nameValues, splitWords, takeFlags, trimmed } from './words.ts';

const KEYWORDS = [
  'ADD',
  'ARG',
  'CMD',
  'COPY',
  'ENTRYPOINT',
  'ENV',
  'EXPOSE',
  'FROM',
  'HEALTHCHECK',
  'LABEL',
  'MAINTAINER',
  'ONBUILD',
  'RUN',
  'SHELL',
  'STOPSIGNAL',
  'USER',
  'VOLUME',
  'WORKDIR',
] as const;
type Keyword = (typeof KEYWORDS)[number];

/** Instructions that may have flags in front; RUN's are the business of whoever runs it. */
const WITH_FLAGS = new Set<Keyword>(['ADD', 'COPY', 'FROM', 'HEALTHCHECK']);
const STAGE_NAME = /^[a-z][a-z0-9._-]*$/;
const NOT_IN_TRIGGERS = new Set(['ONBUILD', 'FROM', 'MAINTAINER']);

/**
 * Parses an instruction. FROM is told apart, for it begins a stage.
 *
 * @throws SlipwayError `CONFIG_INVALID` with line and column
 */
export function parseInstruction(
  instruction: InstructionText,
  escapeWith: EscapeCharacter,
): Instruction | ({ readonly keyword: 'FROM' } & FromInstruction) {
  const { joined } = instruction;
  const where = joined.at(0);
  const word = /^\S+/.exec(joined.text)?.[0] ?? '';
  const keyword = word.toUpperCase() as Keyword;
  if (!KEYWORDS.includes(keyword)) {
    const near = nearest(keyword, KEYWORDS);
    throw syntaxError(
      where,
      `unknown instruction ${quoted(word)}`,
      near === undefined ? 'docs.docker.com/reference/dockerfile lists them' : `is ${near} meant?`,
    );
  }
  const after = trimmed(partOf(joined, word.length));
  const { flags, rest: untrimmed } = WITH_FLAGS.has(keyword)
    ? takeFlags(after, escapeWith)
    : { flags: [] as readonly Flag[], rest: after };
  const rest = trimmed(untrimmed);
  const missing = (what: string) => syntaxError(where, `${keyword} needs ${what}`);
  const text = () => {
    if (rest.text === '') throw missing('an argument');
    return rest.text;
  };
  switch (keyword) {
    case 'FROM':
      return { keyword, ...parseFrom(rest, flags) };
    case 'ADD':
    case 'COPY':
      return { where, ...parseCopy(keyword, where, rest, flags, instruction.heredocs, escapeWith) };
    case 'ARG':
      text();
      if (splitWords(rest.text, escapeWith).some((word) => word.text.startsWith('='))) {
        throw missing('a name before the =');
      }
      return { keyword, where, args: splitWords(rest.text, escapeWith).map(argOf) };
    case 'ENV':
    case 'LABEL':
      text();
      return { keyword, where, pairs: nameValues(rest, escapeWith, keyword) };
    case 'CMD':
    case 'ENTRYPOINT':
      text();
      return { keyword, where, command: commandOf(rest) };
    case 'HEALTHCHECK':
      text();
      return { keyword, where, ...parseHealthCheck(rest, flags) };
    case 'SHELL': {
      const words = jsonList(rest);
      if (words === undefined || words.length === 0) {
        throw syntaxError(where, 'SHELL takes a list in JSON form', 'SHELL ["/bin/bash", "-c"]');
      }
      return { keyword, where, words };
    }
    case 'VOLUME': {
      text();
      const words = jsonList(rest) ?? rest.text.split(/\s+/);
      if (words.length === 0 || words.some((volume) => volume.trim() === '')) {
        throw missing('paths that are not empty');
      }
      return { keyword, where, words };
    }
    case 'ONBUILD':
      return { keyword, where, trigger: triggerOf(rest, instruction, text()) };
    case 'RUN':
      text();
      return { keyword, where };
    default:
      return { keyword, where, text: text() };
  }
}

function parseFrom(rest: JoinedText, flags: readonly Flag[]): FromInstruction {
  const where = rest.at(0);
  const words = rest.text === '' ? [] : rest.text.split(/\s+/);
  const [image = '', as = '', name] = words;
  if (words.length !== 1 && !(words.length === 3 && as.toUpperCase() === 'AS')) {
    throw syntaxError(where, 'FROM takes an image, or IMAGE AS NAME');
  }
  const platform = readFlags('FROM', flags, ['platform']).value('platform');
  const lower = name?.toLowerCase();
  if (lower !== undefined && !STAGE_NAME.test(lower)) {
    const problem = `${quoted(name ?? '')} can't be the name of a stage`;
    throw syntaxError(where, problem, 'a name begins with a letter; then letters, digits, . _ -');
  }
  return {
    where,
    image,
    ...(platform === undefined ? {} : { platform }),
    ...(lower === undefined ? {} : { name: lower }),
  };
}

function argOf({ text }: { readonly text: string }): { name: string; value?: string } {
  const equals = text.indexOf('=');
  if (equals < 0) return { name: text };
  return { name: text.slice(0, equals), value: text.slice(equals + 1) };
}

function commandOf(rest: JoinedText): CommandLine {
  const words = jsonList(rest);
  return words === undefined ? { form: 'shell', text: rest.text } : { form: 'list', words };
}

function triggerOf(rest: JoinedText, { heredocs }: InstructionText, text: string): string {
  const keyword = (/^\S+/.exec(text)?.[0] ?? '').toUpperCase();
  if (NOT_IN_TRIGGERS.has(keyword)) {
    throw syntaxError(rest.at(0), `${keyword} isn't allowed as an ONBUILD trigger`);
  }
  if (!KEYWORDS.includes(keyword as Keyword)) {
    throw syntaxError(rest.at(0), `unknown instruction ${quoted(keyword)}`);
  }
  const bodies = heredocs.map(({ content, name }) => `\n${content}${name}`);
  return text + bodies.join('');
}
